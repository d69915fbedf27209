// A connection that sends bytes as it is given them, for what curl would never do.

import NIOCore
import NIOPosix

struct RawConnection {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Connects, runs `body` and closes.
    static func open(
        _ socket: String, _ body: @Sendable (inout Session) async throws -> Void
    ) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(unixDomainSocketPath: socket) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        try await channel.executeThenClose { inbound, outbound in
            var session = Session(
                inbound: inbound.makeAsyncIterator(), outbound: outbound, channel: channel.channel)
            try await body(&session)
        }
    }

    struct Session {
        var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        private let channel: any Channel
        private var received = ""

        init(
            inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
            outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, channel: any Channel
        ) {
            self.inbound = inbound
            self.outbound = outbound
            self.channel = channel
        }

        func send(_ text: String) async throws {
            try await outbound.write(ByteBuffer(string: text))
        }

        /// Returns when the kernel has taken it: ``send(_:)`` may leave it waiting in this process.
        func deliver(_ text: String) async throws {
            try await channel.writeAndFlush(ByteBuffer(string: text)).get()
        }

        /// Ends our side only.
        func finishSending() {
            outbound.finish()
        }

        /// Everything received, once `count` responses have begun or the other side has closed.
        mutating func responses(_ count: Int) async throws -> String {
            while received.components(of: "HTTP/1.1 ") < count, let buffer = try await inbound.next() {
                received += String(buffer: buffer)
            }
            return received
        }

        /// Everything received, once `text` has come or the other side has closed.
        mutating func until(_ text: String) async throws -> String {
            while !received.contains(text), let buffer = try await inbound.next() {
                received += String(buffer: buffer)
            }
            return received
        }

        /// Forgets what was received so far.
        mutating func forget() { received = "" }

        /// Everything received until the other side closes.
        mutating func everything() async throws -> String {
            while let buffer = try await inbound.next() { received += String(buffer: buffer) }
            return received
        }
    }
}

extension String {
    /// How often `text` occurs.
    func components(of text: String) -> Int {
        ranges(of: text).count
    }
}
