// When the journal is written to, and what a log event becomes there; that it arrives is tried with a real one.

import Foundation
import Logging
import ServerTestSupport
import Testing

@testable import pixelcnnd

@Suite struct JournalStreamTests {
    private func isJournal(_ value: String?) -> Bool {
        JournalStream.isJournal(STDERR_FILENO, environment: value.map { ["JOURNAL_STREAM": $0] } ?? [:])
    }

    private var identity: (device: UInt64, inode: UInt64) {
        var status = stat()
        #expect(fstat(STDERR_FILENO, &status) == 0)
        return (UInt64(status.st_dev), UInt64(status.st_ino))
    }

    @Test func itIsTheStreamThatIsNamed() {
        #expect(isJournal("\(identity.device):\(identity.inode)"))
    }

    @Test func anyOtherStreamIsNot() {
        #expect(!isJournal(nil))
        #expect(!isJournal("\(identity.device):\(identity.inode + 1)"))
        #expect(!isJournal("\(identity.device + 1):\(identity.inode)"))
    }

    @Test(arguments: ["", ":", "1", "1:", "x:y", "1:2:3", "-1:2"])
    func nonsenseIsNot(value: String) {
        #expect(!isJournal(value))
    }

    @Test func redirectedOutputStaysPlain() async throws {
        let result = try await Command.run(
            Programs.daemon, ["--model", "/no/such/file"], environment: ["JOURNAL_STREAM": "1:2"])
        #expect(result.errors.hasPrefix("pixelcnnd: "))
    }
}

@Suite struct JournalEntryTests {
    private func fields(_ level: Logger.Level, _ metadata: Logger.Metadata) -> [String: String] {
        let event = LogEvent(
            level: level, message: "GET /v1/status 200", metadata: nil, source: nil, file: "PixelCNNServer/Log.swift",
            function: "handle()", line: 23)
        let entry = JournalEntry(event, label: "pixelcnnd", metadata: metadata)
        return Dictionary(entry.fields.map { ($0.name, $0.value) }) { first, _ in first }
    }

    @Test func metadataAreFieldsAndInTheMessage() {
        #expect(
            fields(.info, ["request": "ab12", "ms": "7"]) == [
                "MESSAGE": "GET /v1/status 200 (ms=7 request=ab12)", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "pixelcnnd",
                "CODE_FILE": "PixelCNNServer/Log.swift", "CODE_LINE": "23", "CODE_FUNC": "handle()",
                "PIXELCNN_MS": "7", "PIXELCNN_REQUEST": "ab12",
            ])
        #expect(fields(.info, [:])["MESSAGE"] == "GET /v1/status 200")
    }

    @Test func prioritiesAreThoseOfSyslog() {
        let priorities = Logger.Level.allCases.map { fields($0, [:])["PRIORITY"] }
        #expect(priorities == ["7", "7", "6", "5", "4", "3", "2"])
    }

    @Test func fieldNamesAreTheJournals() {
        #expect(JournalEntry.fieldName("x-request.id/é") == "PIXELCNN_X_REQUEST_ID__")
        #expect(JournalEntry.fieldName(String(repeating: "a", count: 100)).count == 64)
    }
}
