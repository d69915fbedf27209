// Sampled images as files: whole, in pieces and one by one they hold the same.

import ImageFormats
import Testing

@Suite struct SampledImagesTests {
    @Test(arguments: [256, 1000])
    func piecesMakeTheSameFileAsTheWhole(colors: Int) throws {
        let shape = SampledImages.Shape(channels: 3, height: 2, width: 5, colors: colors)
        let values = (0..<4 * shape.count).map { UInt16($0 * 7 % colors) }
        let images = SampledImages(values: values, shape: shape)
        let pieces =
            SampledImages.npyHeader(count: 4, shape: shape)
            + stride(from: 0, to: values.count, by: shape.count).flatMap {
                NPYArray.bytes(of: Array(values[$0..<$0 + shape.count]), type: shape.elementType)
            }
        #expect(pieces == images.npy())
        let array = try NPYArray(parsing: pieces)
        #expect(array.shape == [4, 3, 2, 5])
        #expect(array.elementType == (colors == 256 ? .uint8 : .uint16))
        #expect(try array.integers(as: UInt16.self, in: 0...colors - 1) == values)
        let one = try NPYArray(parsing: SampledImages.npy(image: Array(values.prefix(shape.count)), shape: shape))
        #expect(one.shape == [3, 2, 5])
        #expect(try one.integers(as: UInt16.self, in: 0...colors - 1) == Array(values.prefix(shape.count)))
    }

    @Test func aPNGSaysWhereItsImagesComeFrom() throws {
        let shape = SampledImages.Shape(channels: 1, height: 2, width: 2, colors: 256)
        let origin = SampledImages.Origin(
            seed: .max, firstIndex: 7, model: "5a", precision: "f32", version: "1")
        let png = try SampledImages(values: [1, 2, 3, 4, 5, 6, 7, 8], shape: shape).png(columns: 1, origin: origin)
        let text = try PNG.text(of: png)
        #expect(
            text.map(\.key) == [
                "PixelCNN-Seed", "PixelCNN-First-Index", "PixelCNN-Model", "PixelCNN-Precision", "Software",
            ])
        #expect(text.map(\.value) == ["18446744073709551615", "7", "5a", "f32", "pixelcnnd 1"])
        #expect(try PNG.decode(png).pixels == [1, 2, 3, 4, 5, 6, 7, 8])
    }
}
