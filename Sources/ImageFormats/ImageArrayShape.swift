// The shapes in which arrays hold images: the network's own, (n, channels, height, width), and what people leave out of
// it where nothing can be mistaken: the number of images, and a channel that is the only one. An array whose channels
// come last could be read as other images, so it is refused with the words that mend it.

/// What an array's shape says of the images in it.
package struct ImageArrayShape: Sendable, Equatable {
    package let count: Int
    package let channels: Int
    package let height: Int
    package let width: Int
    /// Whether the first index counts the images; else the array is one image.
    package let isStack: Bool

    /// Reads a shape; nil where it is not one of images with so many channels.
    ///
    /// - Parameter channels: of each image; nil where it is not known, and is then 1 or 3.
    package init?(_ shape: [Int], channels: Int?) {
        func fits(_ found: Int) -> Bool { channels.map { found == $0 } ?? [1, 3].contains(found) }
        if Self.transposition(shape, channels: channels) != nil { return nil }
        switch shape.count {
        case 4 where fits(shape[1]): self.init(shape, isStack: true)
        case 3 where channels != 1 && channels != nil && fits(shape[0]), 3 where channels == 1 && shape[0] == 1:
            self.init([1] + shape, isStack: false)
        case 3 where channels ?? 1 == 1: self.init([shape[0], 1, shape[1], shape[2]], isStack: true)
        case 2 where channels == 1: self.init([1, 1] + shape, isStack: false)
        default: return nil
        }
    }

    private init(_ shape: [Int], isStack: Bool) {
        (count, channels, height, width) = (shape[0], shape[1], shape[2], shape[3])
        self.isStack = isStack
    }

    /// The shapes that are read.
    package static func allowed(channels: Int?) -> String {
        switch channels {
        case nil: "(n, channels, height, width) with 1 or 3 channels, or (n, height, width)"
        case 1?: "(n, 1, height, width), (n, height, width) or (height, width)"
        case let channels?: "(n, \(channels), height, width) or (\(channels), height, width)"
        }
    }

    /// What to do about a shape that is not read: the shapes that are, and how to get there where that is plain.
    package static func advice(_ shape: [Int], channels: Int?) -> String {
        let order = transposition(shape, channels: channels).map {
            "; its channels come last: save x.transpose(\($0.map(String.init).joined(separator: ", ")))"
        }
        return allowed(channels: channels) + (order ?? "")
    }

    /// The order of axes that brings channels from the last place to theirs; nil where they are not there.
    private static func transposition(_ shape: [Int], channels: Int?) -> [Int]? {
        guard let last = shape.last,
            channels.map({ last == $0 }) ?? [1, 3].contains(last) || last == 4 && channels == 3
        else { return nil }
        func isFirst(_ axis: Int) -> Bool { channels.map { shape[axis] == $0 } ?? [1, 3].contains(shape[axis]) }
        switch shape.count {
        case 4 where !isFirst(1): return [0, 3, 1, 2]
        // With one channel, or an unknown number, the first index may count images that are one pixel wide.
        case 3 where !isFirst(0) && (last > 1 || shape[1] > 1): return [2, 0, 1]
        default: return nil
        }
    }
}
