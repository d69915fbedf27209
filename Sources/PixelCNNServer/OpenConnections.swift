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

    var count: Int { connections.withLock { $0.count } }

    /// Closes all of them.
    func closeAll() {
        for connection in connections.withLock({ Array($0.values) }) { connection.channel.close(promise: nil) }
    }

    fileprivate func add(_ channel: any Channel) {
        connections.withLock { $0[ObjectIdentifier(channel)] = Connection(channel: channel) }
    }

    fileprivate func hasRequest(_ channel: any Channel) {
        connections.withLock { $0[ObjectIdentifier(channel)]?.isAwaited = false }
    }

    fileprivate func remove(_ channel: any Channel) {
        _ = connections.withLock { $0.removeValue(forKey: ObjectIdentifier(channel)) }
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

    func handlerAdded(context: ChannelHandlerContext) { connections.add(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isAwaited, case .head = unwrapInboundIn(data) {
            isAwaited = false
            connections.hasRequest(context.channel)
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connections.remove(context.channel)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { connections.remove(context.channel) }
}
