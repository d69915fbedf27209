// Finds a daemon that answers, asks it, and turns its refusals into failures with the right exit code.

import Foundation
import NIOCore
import NIOHTTP1
import PixelCNNAPI

struct DaemonClient {
    let candidates: [SocketPath]

    /// How often a request is sent: a daemon that crashes or is restarted loses what it was computing, and whatever can
    /// be asked of it may be asked again. Under systemd the next connection waits for the next daemon.
    private static let attempts = 3

    /// Sends a request to the first daemon that accepts a connection; again where the connection is lost.
    ///
    /// - Throws: ``Failure``: unreachable (69), refused (64), busy (75).
    func send(
        _ method: HTTPMethod, _ path: String, accept: String, contentType: String? = nil, body: [UInt8] = []
    ) async throws(Failure) -> HTTPAnswer {
        var headers = [("Accept", accept), ("User-Agent", "pixelcnn/\(Version.current)")]
        if let contentType { headers.append(("Content-Type", contentType)) }
        var attempt = 0
        while true {
            attempt += 1
            let exchange = try await self.connect()
            do {
                let answer = try await exchange.send(method, path, headers: headers, body: body)
                guard 200..<300 ~= answer.status else { throw Self.failure(for: answer) }
                return answer
            } catch let failure as Failure {
                throw failure
            } catch HTTPExchange.Failure.answerTooLarge {
                throw Failure(.protocolError, "the daemon's answer exceeds \(HTTPExchange.maximumAnswerBytes) bytes")
            } catch {
                let lost = "the daemon closed the connection before it had answered"
                guard attempt < Self.attempts else { throw Failure(.unavailable, "\(lost), \(attempt) times") }
                say("\(lost); asking again")
            }
        }
    }

    /// Decodes a JSON answer.
    func decode<Value: Decodable>(_ type: Value.Type, _ answer: HTTPAnswer) throws(Failure) -> Value {
        do {
            return try JSONCoding.decode(type, from: answer.body)
        } catch {
            throw Failure(.protocolError, "the daemon's answer is not what this version of pixelcnn knows")
        }
    }

    private func connect() async throws(Failure) -> HTTPExchange {
        var reasons: [String] = []
        for path in self.candidates {
            do {
                return try await HTTPExchange(connectingTo: path)
            } catch let error as IOError {
                reasons.append("\(path) (\(String(cString: strerror(error.errnoCode))))")
            } catch {
                reasons.append("\(path) (\(error))")
            }
        }
        throw Failure(
            .unavailable,
            "no daemon at \(reasons.joined(separator: " or ")); start pixelcnnd, or name its socket with --socket")
    }

    private static func failure(for answer: HTTPAnswer) -> Failure {
        let status = SystemExit(httpStatus: answer.status)
        guard let problem = try? JSONCoding.decode(Problem.self, from: answer.body) else {
            return Failure(status, "the daemon answered with status \(answer.status)")
        }
        return Failure(status, problem.detail)
    }
}
