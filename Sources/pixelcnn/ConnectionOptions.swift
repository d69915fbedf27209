// How to find the daemon, the same for every subcommand; and what a shell offers where a class is to be named.

import ArgumentParser
import Foundation
import PixelCNNAPI
import Support

struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's socket.", valueName: "path"), completion: .file())
    var socket: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            How long the daemon may say nothing; 60 by default. A request that is computed may take longer, as long \
            as the daemon responds to a health check.
            """, valueName: "seconds"))
    var timeout: Double?

    func validate() throws {
        if let timeout, !(0.1...86_400 ~= timeout) {
            throw ValidationError("--timeout is \(timeout); allowed is 0.1…86400")
        }
    }

    /// A client that tries each place where the daemon may listen.
    ///
    /// - Parameter startWait: how long it waits for a daemon that is not there yet.
    func client(startWait: Duration = .zero) throws(Failure) -> DaemonClient {
        try client(at: socket, startWait: startWait)
    }

    /// A client of the daemon at a socket, else of the first that listens in the usual places.
    func client(at socket: String?, startWait: Duration = .zero) throws(Failure) -> DaemonClient {
        let environment = ProcessInfo.processInfo.environment
        do {
            return DaemonClient(
                candidates: try SocketPath.candidates(option: socket, environment: environment),
                unusable: SocketPath.unusableCandidate(option: socket, environment: environment).map { "\($0)" },
                silence: timeout.map { .seconds($0) } ?? WaitLimits.defaultSilence, startWait: startWait)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }
}

/// Options of subcommands that every daemon responds to at once, if there is one.
struct StartOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How long to wait for a daemon that is starting; not at all by default.", valueName: "seconds"))
    var wait: Double?

    func validate() throws { try RetryOptions.check(wait) }

    var duration: Duration { .seconds(wait ?? 0) }
}

extension CompletionKind {
    /// The classes, by name where they have names, of the daemon that the command line so far leads to; and `words`
    /// besides. Nothing where it is not reachable: a shell has no place for errors.
    static func classes(and words: [String] = []) -> CompletionKind {
        .custom { line, _, _ in
            var connection = ConnectionOptions()
            connection.timeout = 2  // a shell waits meanwhile
            let (option, joined) = ("--socket", "--socket=")
            connection.socket =
                line.last { $0.hasPrefix(joined) }.map { String($0.dropFirst(joined.count)) }
                ?? line.firstIndex(of: option).flatMap { line.dropFirst($0 + 1).first }
            guard let model = try? await connection.client().describeModel(retries: .none, report: { _ in }),
                model.labels > 0
            else { return [] }
            let names = model.labelNames.isEmpty ? (0..<model.labels).map(String.init) : model.labelNames
            return words + names.filter { $0 == $0.printable }  // a shell takes a line for a word
        }
    }
}
