// pixelcnnd's main: options, logging, model, warm-up, socket, READY, serve. The order matters: nobody can connect
// before the first request would be served at full speed, and no socket exists for a model that does not load.

import ArgumentParser
import Foundation
import Logging
import PixelCNNAPI
import Support

@main
struct DaemonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnnd",
        abstract: "Serves a gated PixelCNN on a Unix socket: samples and scores images.",
        discussion: """
            Every option can come from the environment instead, as PIXELCNND_ and its name (PIXELCNND_MODEL, \
            PIXELCNND_MAX_QUEUE), or from the file that --config names (model, max_queue). The command line wins over \
            the environment, the environment over the file.

            SIGNALS
              SIGHUP           reads the file of settings again, loads the model, and serves it to requests that begin \
            from then on; if anything is wrong, says so and continues as before
              SIGTERM, SIGINT  ends: no more connections, and --drain-timeout for running requests

            EXAMPLES
              pixelcnnd
              pixelcnnd --model pixelcnn.pt --socket ./pixelcnn.sock
              pixelcnnd --config pixelcnnd.yaml --check

            EXIT STATUS
              0   ended by SIGTERM or SIGINT
              64  wrong usage
              65  the file is not a model that can be served
              66  no such file
              69  another daemon serves the socket
              71  the socket cannot be made
              73  standard output cannot be written to
              78  the file of settings is wrong
            """,
        version: "pixelcnnd \(Version.current)"
    )

    @OptionGroup
    var options: DaemonOptions

    @Flag(help: "Check the settings, load and verify the model, say what it is, and exit.")
    var check = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let isJournal = JournalStream.isJournal(environment: environment)
        do {
            let settings = try Settings(options: options, environment: environment)
            if check {
                _ = try ModelLoader.kernels(environment)
                let model = try ModelLoader.model(settings)
                try settings.check(model)
                let warnings = Settings.warnings(environment) + model.source.warnings.map(\.advised)
                for warning in warnings { Self.say("warning: \(warning)") }
                print(model.summary.printable)
                guard fflush(nil) == 0 else {  // nil: all streams
                    throw Failure(.cannotCreate, "cannot write to standard output: \(String(cString: strerror(errno)))")
                }
                return
            }
            if isJournal {
                LoggingSystem.bootstrap { JournalLogHandler(label: $0) }
            } else {
                LoggingSystem.bootstrap(StreamLogHandler.standardError)
            }
            try await Daemon.run(settings, environment: environment) { [options] in
                try Settings(options: options, environment: environment)
            }
        } catch let failure as Failure {
            // The journal takes the priority of a line, here "error", from its beginning.
            Self.say(failure.message, prefix: isJournal ? "<3>" : "pixelcnnd: ")
            throw ExitCode(failure.status.rawValue)
        }
    }

    private static func say(_ line: String, prefix: String = "pixelcnnd: ") {
        try? FileHandle.standardError.write(contentsOf: Data("\(prefix)\(line.printable)\n".utf8))
    }
}
