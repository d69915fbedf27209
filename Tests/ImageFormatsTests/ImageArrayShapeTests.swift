// The shapes in which arrays hold images, and what is said of others.

import Testing

@testable import ImageFormats

@Suite struct ImageArrayShapeTests {
    private func read(_ shape: [Int], _ channels: Int?) -> [Int]? {
        ImageArrayShape(shape, channels: channels).map {
            [$0.count, $0.channels, $0.height, $0.width, $0.isStack ? 1 : 0]
        }
    }

    @Test func whatIsLeftOutIsUnderstood() {
        #expect(read([5, 3, 8, 9], 3) == [5, 3, 8, 9, 1] && read([3, 8, 9], 3) == [1, 3, 8, 9, 0])
        #expect(read([5, 1, 8, 9], 1) == [5, 1, 8, 9, 1] && read([1, 8, 9], 1) == [1, 1, 8, 9, 0])
        #expect(read([5, 8, 9], 1) == [5, 1, 8, 9, 1] && read([8, 9], 1) == [1, 1, 8, 9, 0])
        #expect(read([3, 8, 9], 1) == [3, 1, 8, 9, 1] && read([2, 8, 9], 2) == [1, 2, 8, 9, 0])
        #expect(read([5, 8, 9], nil) == [5, 1, 8, 9, 1] && read([5, 3, 8, 9], nil) == [5, 3, 8, 9, 1])
        // Channels are where they should be, whatever the width is.
        #expect(read([5, 3, 8, 3], 3) == [5, 3, 8, 3, 1] && read([5, 1, 8, 1], 1) == [5, 1, 8, 1, 1])
        #expect(read([0, 1, 8, 9], 1) == [0, 1, 8, 9, 1])
    }

    @Test func whatCouldBeOtherImagesIsNot() {
        for (shape, channels) in [
            ([5, 8, 9], 3), ([5, 4, 8, 9], 3), ([8, 9], 3), ([8, 9], nil), ([9], 1), ([], nil), ([1, 1, 1, 8, 9], 1),
            ([2, 3, 8, 9], 1), ([5, 2, 8, 9], nil),
        ] as [([Int], Int?)] {
            #expect(read(shape, channels) == nil, "\(shape)")
            #expect(!ImageArrayShape.advice(shape, channels: channels).contains("transpose"), "\(shape)")
        }
        for (shape, channels, order) in [
            ([5, 8, 9, 3], 3, "0, 3, 1, 2"), ([8, 9, 3], 3, "2, 0, 1"), ([5, 8, 9, 1], 1, "0, 3, 1, 2"),
            ([8, 9, 1], 1, "2, 0, 1"), ([5, 8, 9, 3], nil, "0, 3, 1, 2"), ([8, 9, 3], nil, "2, 0, 1"),
            ([5, 8, 9, 1], nil, "0, 3, 1, 2"), ([8, 9, 4], 3, "2, 0, 1"),
        ] as [([Int], Int?, String)] {
            #expect(read(shape, channels) == nil, "\(shape)")
            let advice = ImageArrayShape.advice(shape, channels: channels)
            #expect(advice.hasSuffix("save x.transpose(\(order))"), "\(shape): \(advice)")
        }
    }
}
