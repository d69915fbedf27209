// pixelcnn, the client: sends requests to the daemon on its Unix socket and writes what comes back. It knows the
// protocol and the image formats only.

import ArgumentParser
import Foundation
import PixelCNNAPI
import Support

@main
enum Program {
    static func main() async {
        StandardStreams.prepare()
        do throws(Failure) {
            try RawArguments.check(variables: ["PIXELCNN_SOCKET"])
            try ClientCommand.checkSubcommand(CommandLine.arguments.dropFirst().first)
        } catch {
            say(error.message)
            exit(error.status.rawValue)
        }
        await ClientCommand.main()
    }
}

struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn",
        abstract: "Draws, completes and scores images with a running pixelcnnd.",
        discussion: """
            The daemon's socket is --socket, else $PIXELCNN_SOCKET, else $XDG_RUNTIME_DIR/pixelcnn.sock \
            (/run/user/UID/pixelcnn.sock if the variable is not set), else /run/pixelcnn/pixelcnn.sock. A socket is a \
            path, or unix:// and a path.

            EXAMPLES
              pixelcnn sample -n 36 --seed 0 --columns 6 -o grid.png
              pixelcnn complete --rows 16 photo.png -n 8 -o grid.png
              pixelcnn score images.npy
              pixelcnn status
              pixelcnn open

            EXIT STATUS
              64  wrong usage, or a request that the daemon rejects
              65  the input is not valid
              66  no such file
              69  the daemon is not reachable, or says nothing any more
              70  the daemon has failed
              71  the system refuses a port
              73  the output cannot be written
              75  the daemon is busy, or the deadline has passed: try later
              76  the response is not from a pixelcnnd that this version knows
              129, 130, 143  ended by a lost terminal, by Ctrl-C, by SIGTERM
              141 whoever reads standard output has gone
            """,
        version: "pixelcnn \(Version.current)",
        subcommands: [
            SampleCommand.self, CompleteCommand.self, ScoreCommand.self, ModelCommand.self, StatusCommand.self,
            OpenCommand.self, VersionCommand.self,
        ]
    )

    /// Refuses a first word that is no subcommand.
    static func checkSubcommand(_ word: String?) throws(Failure) {
        if let word, word.hasPrefix("--socket") {
            throw Failure(.usage, "--socket comes after the subcommand: pixelcnn sample --socket PATH")
        }
        try Subcommand.check(word, of: configuration.subcommands.map { $0._commandName })
    }
}

/// `pixelcnn version`: as --version.
struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version.",
        discussion: """
            EXAMPLES
              pixelcnn version
            """)

    func run() async throws {
        try await Failure.reporting { try Output.print(Array("\(ClientCommand.configuration.version)\n".utf8)) }
    }
}
