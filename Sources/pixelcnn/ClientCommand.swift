// pixelcnn, the client: sends requests to the daemon on its Unix socket and writes what comes back. It knows the
// protocol and the image formats only.

import ArgumentParser
import PixelCNNAPI
import Support

@main
struct ClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pixelcnn",
        abstract: "Draws, completes and scores images with a running pixelcnnd.",
        discussion: """
            The daemon's socket is --socket, else $PIXELCNN_SOCKET, else $XDG_RUNTIME_DIR/pixelcnn.sock, else \
            /run/pixelcnn/pixelcnn.sock.

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
        ]
    )

    static func main() async {
        StandardStreams.prepare()
        await main(nil)
    }
}
