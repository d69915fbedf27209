// pixelcnnd's main: options, logging, model, warm-up, socket, READY, serve. The order matters: nobody can connect before
// the first request would be answered at full speed, and no socket exists for a model that does not load.

import ArgumentParser
import Foundation
import Logging
import PixelCNNAPI

@main
struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnnd",
        abstract: "Serves a gated PixelCNN on a Unix socket: samples and scores images.",
        discussion: """
            Every option can come from the environment instead: PIXELCNND_MODEL, PIXELCNND_SOCKET, PIXELCNND_THREADS, \
            PIXELCNND_PRECISION, PIXELCNND_HEIGHT, PIXELCNND_WIDTH, PIXELCNND_MAX_QUEUE, PIXELCNND_LOG_LEVEL. The command \
            line wins.

            EXAMPLES
              pixelcnnd
              pixelcnnd --model pixelcnn.pt --socket /tmp/pixelcnn.sock
              pixelcnnd --model pixelcnn.pt --check

            EXIT STATUS
              0   ended by SIGTERM or SIGINT
              64  wrong usage
              65  the file is no model that can be served
              66  no such file
              69  another daemon serves the socket
              71  the socket cannot be made
            """,
        version: "pixelcnnd \(Version.current)"
    )

    @OptionGroup
    var options: DaemonOptions

    @Flag(help: "Load and verify the model, say what it is, and exit.")
    var check = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let isJournal = JournalStream.isJournal(environment: environment)
        do {
            let settings = try Settings(options: self.options, environment: environment)
            if self.check {
                print(try Daemon.loadModel(settings).summary)
                return
            }
            if isJournal {
                LoggingSystem.bootstrap { JournalLogHandler(label: $0) }
            } else {
                LoggingSystem.bootstrap(StreamLogHandler.standardError)
            }
            try await Daemon.run(settings, environment: environment)
        } catch let failure as Failure {
            // The journal takes the priority of a line, here "error", from its beginning.
            let prefix = isJournal ? "<3>" : "pixelcnnd: "
            FileHandle.standardError.write(Data("\(prefix)\(failure.message)\n".utf8))
            throw ExitCode(failure.status.rawValue)
        }
    }
}
