// `pixelcnn open`: the daemon's page in a browser, which cannot connect to a Unix socket.

import ArgumentParser
import Foundation
import PixelCNNAPI
import Support

struct OpenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "open",
        abstract: "Shows the daemon's page in a browser, until Ctrl-C.",
        discussion: """
            The page is at an address of this machine, which is printed, and opened where there is a display. It holds \
            a secret; who does not know it gets nothing.

            EXAMPLES
              pixelcnn open
              pixelcnn open --socket /run/pixelcnn/pixelcnn@cifar10.sock
              pixelcnn open --no-browser --port 8080    # behind ssh -L 8080:127.0.0.1:8080
            """
    )

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The port of 127.0.0.1; by default one that is free.", valueName: "port"))
    var port: Int?

    @Flag(help: "Do not open a browser.")
    var noBrowser = false

    @OptionGroup
    var start: StartOptions

    @OptionGroup
    var connection: ConnectionOptions

    func validate() throws {
        if let port, !(1...65_535 ~= port) { throw ValidationError("--port is \(port); allowed is 1…65535") }
    }

    func run() async throws {
        try await Failure.reporting {
            let client = try connection.client(startWait: start.duration)
            let (port, opensBrowser) = (port ?? 0, !noBrowser && PageOpener.hasDisplay)
            try await Interruption.cancelling {
                // Said now where there is no daemon; later the page says it.
                _ = try await client.send(.init(path: Endpoint.health, accept: MediaTypeName.text))
                let proxy = try await PageProxy(client, port: port)
                let address = proxy.session.address
                try Output.print(Array("\(address)\n".utf8))
                let opener = opensBrowser ? Self.opener(address) : nil
                defer { opener?.remove() }
                if let opener {
                    opener.open()
                } else {
                    // Over ssh the address becomes valid on the machine that has the browser.
                    let forwarding = "ssh -N -L \(proxy.port):127.0.0.1:\(proxy.port) HOST"
                    say("open this address in a browser; from another machine, run \(forwarding) there first")
                }
                say("Ctrl-C ends it")
                try await proxy.run()
            }
        }
    }

    /// What has not worked is said, and the address stays.
    private static func opener(_ address: String) -> PageOpener? {
        do {
            return try PageOpener(address)
        } catch {
            say(error.message)
            return nil
        }
    }
}
