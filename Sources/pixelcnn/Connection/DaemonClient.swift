// Finds a daemon that answers, asks it, waits while it is busy, and turns its refusals into failures with the right
// exit code.

import Foundation
import NIOCore
import NIOHTTP1
import PixelCNNAPI

struct DaemonClient: Sendable {
    let candidates: [SocketPath]

    /// How often a request is sent: a daemon that crashes or is restarted loses what it was computing, and whatever can
    /// be asked of it may be asked again. Under systemd the next connection waits for the next daemon.
    private static let attempts = 3

    /// What is asked. The body is made for each attempt: a deadline that is part of it comes nearer.
    struct Question {
        var method = HTTPMethod.GET
        var path: String
        var accept: String
        var contentType: String?
        var body: () throws -> [UInt8] = { [] }
        /// Throws where the head of an answer, whether it is what was asked for or a refusal, is not what it must be.
        var check: (HTTPResponseHead) throws(Failure) -> Void = { _ in }

        fileprivate var headers: [(String, String)] {
            var headers = [("Accept", accept), ("User-Agent", "pixelcnn/\(Version.current)")]
            if let contentType { headers.append(("Content-Type", contentType)) }
            return headers
        }
    }

    /// Sends a request to the first daemon that accepts a connection; again where the connection is lost, and while the
    /// daemon is busy, as long as there is patience.
    ///
    /// - Parameters:
    ///   - notify: gets a line for a person where something keeps us.
    ///   - makeConsumer: makes, for each attempt, what takes the body of a successful answer as it comes; a ``Problem``
    ///     that it throws counts as the answer.
    /// - Throws: ``Failure``: unreachable (69), refused (64), busy (75); `CancellationError`.
    func send(
        _ question: Question, patience: Patience = .none, notify: (String) -> Void = say,
        makeConsumer: (() -> HTTPExchange.Consumer)? = nil
    ) async throws -> HTTPAnswer {
        var lost = 0
        var waiting = Patience.Waiting(patience)
        while true {
            let body = try question.body()  // before a connection is made, which must not be dropped unused
            let exchange = try await connect()
            do {
                let answer = try await exchange.send(
                    question.method, question.path, headers: question.headers, body: body, check: question.check,
                    consume: makeConsumer?())
                if answer.isSuccess { return answer }
                try await wait(for: answer, &waiting, notify)
            } catch let problem as Problem {
                let answer = HTTPAnswer(status: problem.status, headers: [:], body: try JSONCoding.encode(problem))
                try await wait(for: answer, &waiting, notify)
            } catch let failure as Failure {
                throw failure
            } catch HTTPExchange.Failure.answerTooLarge {
                throw Failure(.protocolError, "the daemon's answer exceeds \(HTTPExchange.maximumAnswerBytes) bytes")
            } catch {
                // A task that is cancelled ends its connection, which is not the daemon's doing.
                try Task.checkCancellation()
                lost += 1
                let message = "the daemon closed the connection before it had answered"
                guard lost < Self.attempts else {
                    throw Failure(.unavailable, "\(message), \(lost) times; its log says why")
                }
                notify("\(message); asking again")
            }
        }
    }

    /// What the daemon serves.
    func describeModel(patience: Patience, notify: (String) -> Void = say) async throws -> ModelDescription {
        let question = Question(path: Endpoint.model, accept: MediaTypeName.json)
        return try decode(ModelDescription.self, try await send(question, patience: patience, notify: notify))
    }

    /// Decodes a JSON answer.
    func decode<Value: Decodable>(_ type: Value.Type, _ answer: HTTPAnswer) throws(Failure) -> Value {
        do {
            return try JSONCoding.decode(type, from: answer.body)
        } catch {
            throw Failure(
                .protocolError,
                "the daemon's answer is not what pixelcnn \(Version.current) knows; use a pixelcnnd of the same version"
            )
        }
    }

    /// Waits where the daemon is busy, and throws where it refuses or patience is at its end.
    private func wait(
        for answer: HTTPAnswer, _ waiting: inout Patience.Waiting, _ notify: (String) -> Void
    ) async throws {
        guard [429, 503].contains(answer.status) else { throw Self.failure(for: answer) }
        let seconds = answer.headers.first(name: "Retry-After").flatMap { Double($0) } ?? 1
        guard let pause = waiting.pause(atLeast: seconds) else { throw Self.failure(for: answer) }
        let rounded = Int((pause / .seconds(1)).rounded(.up))
        notify("busy, trying again in \(rounded) s")
        try await Task.sleep(for: pause)
    }

    private func connect() async throws -> HTTPExchange {
        var reasons: [String] = []
        var isForbidden = false
        for path in candidates {
            do {
                return try await HTTPExchange(connectingTo: path)
            } catch let error as IOError {
                isForbidden = isForbidden || error.errnoCode == EACCES
                reasons.append("\(path) (\(String(cString: strerror(error.errnoCode))))")
            } catch {
                try Task.checkCancellation()
                reasons.append("\(path) (\(error))")
            }
        }
        let advice =
            isForbidden
            ? "join the group that owns the socket, usually pixelcnn, and log in again"
            : "start pixelcnnd, or name its socket with --socket"
        throw Failure(.unavailable, "no daemon at \(reasons.joined(separator: " or ")); \(advice)")
    }

    private static func failure(for answer: HTTPAnswer) -> Failure {
        let status = SystemExit(httpStatus: answer.status)
        guard let problem = try? JSONCoding.decode(Problem.self, from: answer.body) else {
            return Failure(status, "the daemon answered with status \(answer.status) and no reason; its log says more")
        }
        return Failure(status, problem.detail)
    }
}

extension ModelDescription {
    /// Refuses what another model than this, or another precision, answers; a refusal may come from no model.
    func checkAnswered(_ head: HTTPResponseHead) throws(Failure) {
        let (model, precision) = (
            head.headers.first(name: HeaderName.model), head.headers.first(name: HeaderName.precision)
        )
        if model == nil, !(200..<300 ~= head.status.code) { return }
        guard model == sha256, precision == self.precision else {
            throw Failure(.temporaryFailure, "the daemon has changed its model or precision meanwhile; ask again")
        }
    }
}
