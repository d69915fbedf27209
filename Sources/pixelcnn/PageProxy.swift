// The page's proxy: a port of this machine's own address, behind which is the daemon's socket. Everything runs on one
// event loop, which is enough for one user.

import NIOCore
import NIOHTTP1
import NIOPosix
import Support

struct PageProxy: Sendable {
    /// The most that a request's head may have.
    private static var headLimits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 << 10
        limits.maxHeaderListSize = 64 << 10
        limits.maxHeaderFieldCount = 128
        return limits
    }

    private let server: any Channel
    let port: Int
    let session: PageSession

    /// Listens on a port of 127.0.0.1; 0 is one of the kernel's choice.
    ///
    /// - Throws: ``Failure`` (71) where the system refuses the port.
    init(_ client: DaemonClient, port: Int) async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let token = PageSession.makeToken()
        let connections = NIOLoopBoundBox.makeBoxSendingValue(ProxiedConnections(), eventLoop: eventLoop)
        do {
            server = try await ServerBootstrap(group: eventLoop)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let session = PageSession(port: channel.localAddress?.port ?? 0, token: token)
                        var encoder = HTTPResponseEncoder.Configuration()
                        encoder.automaticallySetFramingHeaders = false
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.configureHTTPServerPipeline(
                            withErrorHandling: false, withEncoderConfiguration: encoder,
                            withDecoderLimitConfiguration: Self.headLimits)
                        try pipeline.addHandler(BrowserConnection(client, session, connections.value))
                    }
                }
                .bind(host: "127.0.0.1", port: port).get()
        } catch let error as IOError {
            let reason = String(cString: strerror(error.errnoCode))
            throw Failure(.osError, "cannot listen on 127.0.0.1:\(port) (\(reason)); choose another --port, or none")
        }
        self.port = server.localAddress?.port ?? port
        session = PageSession(port: self.port, token: token)
    }

    /// Serves until the task is cancelled. Connections end with the program.
    func run() async throws {
        let server = server
        try await withTaskCancellationHandler {
            try await server.closeFuture.get()
        } onCancel: {
            server.close(promise: nil)
        }
    }
}

/// The browser's connections, and those of whoever else connects to the port. Both are bounded, and apart: strangers
/// take no place from the page, and of too many of them the oldest goes.
final class ProxiedConnections {
    /// Many more than a browser opens for one site.
    static let maximum = 256
    private static let maximumStrangers = 64

    /// Oldest first.
    private var strangers: [BrowserConnection] = []
    private var known: Set<ObjectIdentifier> = []

    func add(_ connection: BrowserConnection) {
        strangers.append(connection)
        if strangers.count > Self.maximumStrangers { strangers.removeFirst().close() }
    }

    /// A connection has shown the session's token: whether there is room for it.
    func hasShownToken(_ connection: BrowserConnection) -> Bool {
        if known.contains(ObjectIdentifier(connection)) { return true }
        guard known.count < Self.maximum else { return false }
        strangers.removeAll { $0 === connection }
        known.insert(ObjectIdentifier(connection))
        return true
    }

    func remove(_ connection: BrowserConnection) {
        strangers.removeAll { $0 === connection }
        known.remove(ObjectIdentifier(connection))
    }
}
