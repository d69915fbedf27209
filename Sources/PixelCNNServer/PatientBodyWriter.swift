// Writes a body in pieces, each of which waits until the connection has room: no more of it lies in buffers than that,
// and a client that takes none of it for too long is hung up on, which also frees the images that it waits for. So is
// one that takes it too slowly: its patience is used up while a piece waits, and comes back with what was taken.

import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTPTypes

struct PatientBodyWriter: ResponseBodyWriter {
    /// What is on its way to the client at a time, besides what its socket holds.
    static let pieceBytes = 32 << 10
    /// Who takes an answer at this rate is never hung up on for being slow.
    static let bytesPerSecond = 1024

    private var base: any ResponseBodyWriter
    private let channel: any Channel
    private let patience: TimeAmount
    private var left: TimeAmount
    /// Whether the client knows the body's end by its length.
    private let isLengthKnown: Bool

    init(_ base: any ResponseBodyWriter, channel: any Channel, patience: TimeAmount, isLengthKnown: Bool) {
        (self.base, self.channel, self.patience, self.left) = (base, channel, patience, patience)
        self.isLengthKnown = isLengthKnown
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        var rest = buffer
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes)), piece.readableBytes > 0 {
            let start = NIODeadline.now()
            let earned = TimeAmount.nanoseconds(
                Int64(piece.readableBytes) * 1_000_000_000 / Int64(Self.bytesPerSecond))
            left = min(patience, left + earned)
            let hangUp = channel.scheduleHangUp(in: left)
            defer {
                hangUp.cancel()
                left = left - (NIODeadline.now() - start)
            }
            try await base.write(piece)
            // The writer above takes pieces while their predecessors are on their way to the event loop. Behind them,
            // an empty one is done when they have left for the client, so that nothing is cut off by what comes after.
            try await channel.writeAndFlush(HTTPResponsePart.body(ByteBuffer()))
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        let hangUp = channel.scheduleHangUp(in: patience)
        defer { hangUp.cancel() }
        do {
            try await base.finish(trailingHeaders)
        } catch {
            // A client that leaves with the last byte it was promised has its answer.
            if !isLengthKnown { throw error }
        }
    }
}
