// How to find the daemon; the same for every subcommand.

import ArgumentParser
import Foundation
import PixelCNNAPI

struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The daemon's socket.", valueName: "path"), completion: .file())
    var socket: String?

    /// A client that tries each place where the daemon may listen.
    func client() throws(Failure) -> DaemonClient {
        do {
            return DaemonClient(
                candidates: try SocketPath.candidates(
                    option: self.socket, environment: ProcessInfo.processInfo.environment))
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }
}
