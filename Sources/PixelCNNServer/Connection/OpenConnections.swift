// The connections that are open, and which of them have not sent a request yet: a drain waits for those, since their
// clients were told by the kernel that they are connected, and closes what is left at its end.

import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

final class OpenConnections: Sendable {
    private struct Connection {
        let channel: any Channel
        var isAwaited = true
    }

    private let connections = Mutex<[ObjectIdentifier: Connection]>([:])

    /// Connections whose first request has not come.
    var awaited: Int { self.connections.withLock { $0.values.count { $0.isAwaited } } }

    var count: Int { self.connections.withLock { $0.count } }

    /// Closes all of them.
    func closeAll() {
        for connection in self.connections.withLock({ Array($0.values) }) { connection.channel.close(promise: nil) }
    }

    fileprivate func add(_ channel: any Channel) {
        self.connections.withLock { $0[ObjectIdentifier(channel)] = Connection(channel: channel) }
    }

    fileprivate func hasRequest(_ channel: any Channel) {
        self.connections.withLock { $0[ObjectIdentifier(channel)]?.isAwaited = false }
    }

    fileprivate func remove(_ channel: any Channel) {
        _ = self.connections.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
    }
}

/// Keeps one connection's entry.
final class OpenConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let connections: OpenConnections
    private var isAwaited = true

    init(_ connections: OpenConnections) {
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) { self.connections.add(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if self.isAwaited, case .head = self.unwrapInboundIn(data) {
            self.isAwaited = false
            self.connections.hasRequest(context.channel)
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.connections.remove(context.channel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.connections.remove(context.channel) }
}
