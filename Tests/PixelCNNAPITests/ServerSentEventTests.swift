// Server-sent events: what the HTML standard has in its examples, and streams cut into every kind of pieces.

import Testing

@testable import PixelCNNAPI

@Suite struct ServerSentEventTests {
    private func events(_ text: String, pieces: Int = .max) throws -> [ServerSentEvent] {
        var parser = ServerSentEventParser()
        var events: [ServerSentEvent] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            events += try parser.events(in: rest.prefix(pieces))
            rest = rest.dropFirst(pieces)
        }
        return events
    }

    private func event(_ name: String, _ data: String) -> ServerSentEvent {
        ServerSentEvent(name: name, data: Array(data.utf8))
    }

    @Test(arguments: [
        (": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n", 3),
        ("data\n\ndata\ndata\n\ndata:", 2), ("data:test\n\ndata: test\n\n", 2), ("event: x\n\n", 0),
    ])
    func readsTheStandardsExamples(text: String, count: Int) throws {
        #expect(try events(text).count == count)
    }

    @Test func joinsDataLinesAndTakesOneSpaceOff() throws {
        let events = try self.events("event: stock\ndata: YHOO\ndata: +2\ndata:  10\n\n")
        #expect(events == [self.event("stock", "YHOO\n+2\n 10")])
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func everyEndOfLineAndEveryCutGivesTheSame(end: String) throws {
        let lines = ["\u{FEFF}: hello", "event: a", "data: 1", "", "data: é", "data: 2", "", ": x", "", "event: b", ""]
        let text = lines.joined(separator: end) + end
        let expected = [self.event("a", "1"), self.event("message", "é\n2")]
        for pieces in 1...text.utf8.count { #expect(try events(text, pieces: pieces) == expected) }
    }

    @Test func readsBackWhatItWrites() throws {
        let progress = ProgressEvent(done: 5, total: 12, imagesDone: 1)
        let bytes = try ServerSentEvent.encode(comment: "still here") + ServerSentEvent.encode("progress", progress)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == ": still here\n\nevent: progress\ndata: {\"done\":5,\"images_done\":1,\"total\":12}\n\n")
        let events = try self.events(String(decoding: bytes, as: UTF8.self))
        #expect(events.count == 1)
        #expect(try JSONCoding.decode(ProgressEvent.self, from: events[0].data) == progress)
    }

    @Test func anEventWithoutEndIsRefusedAtTheBound() throws {
        var parser = ServerSentEventParser(maximumBytes: 100)
        #expect(throws: ServerSentEventTooLarge(limit: 100)) {
            for _ in 0..<20 { _ = try parser.events(in: Array("data: 0123456789\n".utf8)) }
        }
    }
}
