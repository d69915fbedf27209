// pixelcnnd's main: options, logging, model, warm-up, socket, READY, serve. The order matters: nobody can connect
// before the first request would be served at full speed, and no socket exists for a model that does not load.

import ArgumentParser
import Foundation
import Logging
import PixelCNNAPI
import Support

@main
enum Program {
    /// On the main thread: where no further thread can be started, Swift's pool waits for one for ever.
    @MainActor static func main() async {
        Heap.prepare()
        StandardStreams.prepare()  // who reads the log may leave
        do {
            try RawArguments.check(variables: SettingTable.textVariables)
            try PlainThread.check(Daemon.threads(processors: MachineLimits.current.processors))
        } catch {
            StandardError.write("pixelcnnd: \(error.message)\n")
            exit(error.status.rawValue)
        }
        SignalThread.prepare()
        await DaemonCommand.main()
    }
}

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
              SIGTERM, SIGINT  ends: no more connections, and --drain-timeout for running requests; so does a \
            terminal that closes, unless nohup started the daemon

            EXAMPLES
              pixelcnnd
              pixelcnnd pixelcnn.pt --socket ./pixelcnn.sock
              pixelcnnd --model pixelcnn.pt --cache-size 2G
              pixelcnnd --config pixelcnnd.yaml --check

            EXIT STATUS
              0   ended by SIGTERM or SIGINT
              64  wrong usage
              65  the file is not a model that can be served
              66  no such file
              69  another daemon serves the socket
              70  something hung, and the end took longer than its bound
              71  the socket cannot be made, or the system refused something else
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
        do throws(Failure) {
            if check {
                _ = try SignalThread(hangUp: nil)
                try checkSettings(environment)
                return
            }
        } catch {
            if error.status != .closedPipe { Self.say(error.message) }
            throw ExitCode(error.status.rawValue)
        }
        let isJournal = JournalStream.isJournal(environment: environment)
        let (hangUps, hangUp) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        var log: LogThread?
        defer { log?.flush() }
        do {
            // Before anything takes time: who sends SIGHUP now wants a reload.
            let signals = try SignalThread(hangUp: { hangUp.yield() })
            let started = try LogThread.bootstrap(isJournal: isJournal)
            log = started
            let reading = BoundedWork("reading the settings", thread: "settings", within: Settings.bound)
            let readSettings = { @Sendable [options] in
                try await reading.run { try Settings(options: options, environment: environment) }
            }
            let daemon = Daemon(environment: environment, signals: signals, log: started, readSettings: readSettings)
            try await daemon.run(reloadingAt: hangUps)
        } catch let failure as Failure {
            // The journal takes the priority of a line, here "error", from its beginning.
            let line = "\(isJournal ? "<3>" : "pixelcnnd: ")\(failure.message.printable)\n"
            if let log { log.offer(.text(line)) } else { StandardError.write(line) }
            throw ExitCode(failure.status.rawValue)
        }
    }

    private func checkSettings(_ environment: [String: String]) throws(Failure) {
        let settings = try Settings(options: options, environment: environment)
        _ = try ModelLoader.kernels(environment)
        let model = try ModelLoader.model(settings)
        try settings.check(model)
        let warnings = Settings.warnings(environment) + model.source.warnings.map(\.advised)
        for warning in warnings { Self.say("warning: \(warning)") }
        print(model.summary.printable)
        guard fflush(nil) == 0 else {  // nil: all streams
            if errno == EPIPE { throw Failure(.closedPipe, "") }
            throw Failure(.cannotCreate, "cannot write to standard output: \(String(cString: strerror(errno)))")
        }
    }

    private static func say(_ line: String) { StandardError.write("pixelcnnd: \(line.printable)\n") }
}
