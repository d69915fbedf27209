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

            EXIT STATUS
              64  wrong usage, or a request that the daemon rejects
              65  the input is not valid
              66  no such file
              69  the daemon is not reachable, or says nothing any more
              70  the daemon has failed
              73  the output cannot be written
              75  the daemon is busy, or the deadline has passed: try later
              76  the response is not from a pixelcnnd that this version knows
              129, 130, 143  ended by a lost terminal, by Ctrl-C, by SIGTERM
              141 whoever reads standard output has gone
            """,
        version: "pixelcnn \(Version.current)",
        subcommands: [
            SampleCommand.self, CompleteCommand.self, ScoreCommand.self, ModelCommand.self, StatusCommand.self,
            VersionCommand.self,
        ]
    )

    /// Refuses a word that is no subcommand, and says which one is like it.
    static func checkSubcommand(_ word: String?) throws(Failure) {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let word, !word.hasPrefix("-"), !(names + ["help"]).contains(word) else { return }
        let distances = names.map { (name: $0, distance: word.lowercased().editDistance(to: $0)) }
        let nearest = distances.min { $0.distance < $1.distance }
        let advice =
            nearest.flatMap { $0.distance <= max(1, word.count / 2) ? "did you mean \($0.name)?" : nil }
            ?? "there are \(names.joined(separator: ", "))"
        throw Failure(.usage, "no subcommand \"\(word)\"; \(advice)")
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

extension String {
    /// How many letters to insert, remove or change, or neighbours to swap, until one word is the other.
    fileprivate func editDistance(to other: String) -> Int {
        let (a, b) = (Array(self), Array(other))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = Swift.min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = Swift.min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
