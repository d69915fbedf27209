// Images in memory, one byte per value: CIFAR-10 takes 154 MB; two bytes where there are more than 256 values, such as
// the codes of a VQ-VAE. Read whole, checked whole, before the first step, from CIFAR-10's batches, MNIST's IDX files,
// NumPy arrays or folders of pictures. What a path holds is seen from what is there, never from an option.

import Foundation
import ImageFormats
import ImageImport
import PixelCNNModel
import Support

package struct ImageSet: Sendable, Equatable {
    /// Numbers in as few bytes as the largest needs.
    package enum Values: Sendable, Equatable {
        case bytes([UInt8])
        case words([UInt16])

        /// How many there are.
        package var count: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .words(let words): words.count
            }
        }

        /// Those at some places.
        package subscript(_ range: Range<Int>) -> [UInt16] {
            switch self {
            case .bytes(let bytes): bytes[range].map(UInt16.init)
            case .words(let words): Array(words[range])
            }
        }

        /// The largest; nil where there are none.
        var largest: UInt16? {
            switch self {
            case .bytes(let bytes): bytes.max().map(UInt16.init)
            case .words(let words): words.max()
            }
        }
    }

    /// C: 1 or 3.
    package let channels: Int
    /// H.
    package let height: Int
    /// W.
    package let width: Int
    /// Levels 0 … 255, or, once quantised, values 0 … d − 1: (N, C, H, W).
    package private(set) var values: Values
    /// The classes of the images, where they were requested.
    package var labels: Labels?

    /// C · H · W.
    package var imageSize: Int { channels * height * width }
    /// N.
    package var count: Int { values.count / imageSize }
    /// C × H × W, for people.
    package var shape: String { "\(channels) × \(height) × \(width)" }

    /// Whether the values are levels of pictures, which are 256.
    var arePictures = false

    /// Images as given; `values` are (N, C, H, W).
    package init(channels: Int, height: Int, width: Int, values: Values) {
        precondition(channels * height * width > 0 && values.count % (channels * height * width) == 0, "whole images")
        self.channels = channels
        self.height = height
        self.width = width
        self.values = values
    }

    /// Images of pictures; `levels` are (N, C, H, W).
    package init(channels: Int, height: Int, width: Int, levels: [UInt8]) {
        self.init(channels: channels, height: height, width: width, values: .bytes(levels))
        arePictures = true
    }

    /// What a network of `colors` values per channel learns of the images: up to 256 values for levels 0 … 255, as
    /// pictures of such values show them, each the nearest; more than 256 values as they are.
    ///
    /// - Parameter path: where the images come from, for errors.
    /// - Throws: ``DataError`` where there are values that are none of these.
    package func quantised(
        to colors: Int, areCodes: Bool = false, _ path: String
    ) throws(DataError) -> ImageSet {
        guard colors <= 256, !areCodes else {
            if arePictures { throw DataError(path, .picturesForCodes(colors: colors)) }
            guard let largest = values.largest, largest >= colors else { return self }
            throw DataError(path, .valueBeyond(largest: Int(largest), colors: colors))
        }
        guard case .bytes(let bytes) = values else {
            throw DataError(path, .valueBeyond(largest: Int(values.largest ?? 0), colors: colors))
        }
        let levels = Levels(colors: colors)
        let table = (0...255).map { UInt8(levels.value(of: UInt8($0))) }
        var set = self
        set.values = .bytes(bytes.map { table[Int($0)] })
        return set
    }

    /// Whether the levels are rather a model's own values 0 … `colors` − 1, as `pixelcnn sample` writes them: read as
    /// levels 0 … 255 they are an almost black picture.
    package func looksLikeValues(of colors: Int) -> Bool {
        guard colors < 256, let most = values.largest else { return false }
        return 0 < most && most < colors
    }

    /// SHA-256 of the values: what a run is on.
    func sha256() -> String {
        switch values {
        case .bytes(let bytes): bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        case .words(let words): words.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        }
    }

    /// The images at `indices`, those that `flipped` names mirrored left to right.
    func batch(_ indices: some Collection<Int>, flipped: (Int) -> Bool = { _ in false }) -> [UInt16] {
        var batch: [UInt16] = []
        batch.reserveCapacity(indices.count * imageSize)
        for index in indices {
            let image = values[index * imageSize..<(index + 1) * imageSize]
            if flipped(index) {
                for row in stride(from: 0, to: image.count, by: width) {
                    batch += image[row..<row + width].reversed()
                }
            } else {
                batch += image
            }
        }
        return batch
    }

    /// The classes of the images at `indices`, of a set that has any.
    func labels(_ indices: some Collection<Int>) -> [Int] {
        guard let labels else { preconditionFailure("the set has no classes") }
        return indices.map { labels.values[$0] }
    }

    /// Numbers the classes as a conditional model has them.
    /// - Throws: ``DataError`` where it lacks one of them.
    package mutating func number(as model: Model) throws(DataError) {
        labels = try labels?.numbered(as: model.labelNames, classes: model.hyperparameters.labels)
    }

    // MARK: - Reading

    /// Images to train on and, where the data set has them, images to test with.
    ///
    /// - Parameters:
    ///   - path: an array in `.npy` or `.npz` (`FILE.npz/NAME` of several), or an IDX file, or a folder with CIFAR-10's
    ///     batches, with MNIST's IDX files, or with pictures, in subfolders or not.
    ///   - size: what images of other sizes are brought to: their middles, each pixel the mean of what it covers.
    /// - Throws: ``DataError``.
    package static func read(
        _ path: String, size: ImageSize? = nil
    ) throws(DataError) -> (train: ImageSet, test: ImageSet?) {
        let (train, test) = try readAsTheyAre(path, size: size)
        guard let size else { return (train, test) }
        return (
            try resized(train, to: size, path),
            try test.map { set throws(DataError) in try resized(set, to: size, path) }
        )
    }

    /// Images to test a network with that learns from `images`, which are of the same size then.
    /// - Throws: ``DataError``.
    package static func readTest(
        _ path: String, like images: ImageSet, size: ImageSize? = nil
    ) throws(DataError) -> ImageSet {
        let test = try read(path, size: size).train
        guard test.shape == images.shape else {
            throw DataError(path, .otherImages(found: test.shape, expected: images.shape))
        }
        return test
    }

    private static func resized(_ set: ImageSet, to size: ImageSize, _ path: String) throws(DataError) -> ImageSet {
        guard case .bytes = set.values else { throw DataError(path, .codesNotResizable) }
        guard let resized = set.resized(to: size) else { throw DataError(path, .notResizable(shape: set.shape)) }
        return resized
    }

    /// Pictures of a folder are resized one by one, since they may differ.
    private static func readAsTheyAre(
        _ path: String, size: ImageSize?
    ) throws(DataError) -> (train: ImageSet, test: ImageSet?) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: NPZFile.split(path).file, isDirectory: &isFolder) else {
            throw DataError(path, .missing)
        }
        if !isFolder.boolValue {
            return (isArray(path) ? try readArray(path) : try readIDX(path), nil)
        }
        func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
        if exists(CIFAR10.trainingFiles[0]) || exists(CIFAR10.testFile) {
            return (try CIFAR10.read(CIFAR10.trainingFiles, in: path), try CIFAR10.read([CIFAR10.testFile], in: path))
        }
        let (train, test) = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")
        if exists(train) {
            return (try readIDX(path + "/" + train), exists(test) ? try readIDX(path + "/" + test) : nil)
        }
        if exists(train + ".gz") { throw DataError(path + "/" + train + ".gz", .compressed) }
        return (try readPictures(path, size: size), nil)
    }

    /// A whole file.
    static func bytes(_ path: String) throws(DataError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            let isMissing = !FileManager.default.fileExists(atPath: path)
            throw DataError(path, isMissing ? .missing : .system(reason: "cannot be read"))
        }
    }

    /// Whether a path is that of a `.npy` or `.npz` file, or of an array in one.
    static func isArray(_ path: String) -> Bool {
        let file = NPZFile.split(path).file
        return file.hasSuffix(".npy") || file.hasSuffix(".npz")
    }

    /// The array of such a path.
    static func array(_ path: String) throws(DataError) -> NPYArray {
        let (file, name) = NPZFile.split(path)
        var contents = try bytes(file)
        if contents.starts(with: NPZFile.magic) {
            do throws(NPZError) { contents = try NPZFile(contents).array(name) } catch {
                throw DataError(file, .npz(error))
            }
        }
        do throws(NPYError) { return try NPYArray(parsing: contents) } catch { throw DataError(path, .npy(error)) }
    }

    /// Images as an array of integers, of any type that holds their values; booleans are black and white.
    private static func readArray(_ path: String) throws(DataError) -> ImageSet {
        let array = try array(path)
        guard let shape = ImageArrayShape(array.shape, channels: nil), shape.height * shape.width > 0 else {
            throw DataError(path, .notImages(shape: array.shape))
        }
        guard shape.count > 0 else { throw DataError(path, .noImages) }
        let values: Values
        do throws(NPYError) {
            let words = try array.integers(as: UInt16.self, in: 0...65535)
            if array.elementType == .bool {
                values = .bytes(words.map { $0 == 0 ? 0 : 255 })
            } else if (words.max() ?? 0) < 256 {
                values = .bytes(words.map { UInt8($0) })
            } else {
                values = .words(words)
            }
        } catch {
            throw DataError(path, .npy(error))
        }
        return ImageSet(channels: shape.channels, height: shape.height, width: shape.width, values: values)
    }

    /// An IDX file of unsigned bytes in three dimensions, as MNIST's images are.
    private static func readIDX(_ path: String) throws(DataError) -> ImageSet {
        let file = try bytes(path)
        func word(_ index: Int) -> Int { file[4 * index..<4 * index + 4].reduce(0) { $0 << 8 | Int($1) } }
        if file.starts(with: [0x1f, 0x8b]) { throw DataError(path, .compressed) }
        guard file.count >= 4 else { throw DataError(path, .unknownForm) }
        guard word(0) == 0x803 else {
            throw DataError(path, word(0) >> 16 == 0 ? .notIDX(magic: UInt32(word(0))) : .unknownForm)
        }
        guard file.count >= 16 else { throw DataError(path, .wrongLength(found: file.count, expected: "16 or more")) }
        let (count, height, width) = (word(1), word(2), word(3))
        guard count > 0, (1...4096).contains(height), (1...4096).contains(width) else {
            throw DataError(path, count > 0 ? .notImages(shape: [count, height, width]) : .noImages)
        }
        let expected = 16 + count * height * width
        guard file.count == expected else {
            throw DataError(
                path, .wrongLength(found: file.count, expected: "\(expected) for \(count) of \(height) × \(width)"))
        }
        return ImageSet(channels: 1, height: height, width: width, levels: Array(file[16...]))
    }

    /// The pictures below `folder`, in the order that they are read in.
    static func pictures(in folder: String) -> [String] {
        let endings = ["png"] + PictureFile.endings
        return (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? [])
            .filter { name in endings.contains { name.lowercased().hasSuffix("." + $0) } }.sorted()
    }

    /// Every picture in a folder and its subfolders, in order of their paths.
    private static func readPictures(_ folder: String, size: ImageSize?) throws(DataError) -> ImageSet {
        let names = pictures(in: folder)
        guard !names.isEmpty else { throw DataError(folder, .unknownForm) }
        var first: ImageSet?
        var levels: [UInt8] = []
        for name in names {
            let path = folder + "/" + name
            let file = try bytes(path)
            let picture: Picture
            do { picture = try Picture.imported(file) } catch { throw DataError(path, .picture("\(error)")) }
            var image = ImageSet(picture)
            if let size { image = try resized(image, to: size, path) }
            let same = first ?? image
            first = same
            guard image.channels == same.channels else {
                throw DataError(path, .mixedChannels(found: image.channels, first: same.channels))
            }
            guard image.shape == same.shape else {
                throw DataError(path, .mixedSizes(found: image.shape, first: same.shape))
            }
            if case .bytes(let bytes) = image.values { levels += bytes }
        }
        guard let first else { throw DataError(folder, .noImages) }
        return ImageSet(channels: first.channels, height: first.height, width: first.width, levels: levels)
    }

    /// A picture as a set of one.
    fileprivate init(_ picture: Picture) {
        let levels = (0..<picture.channels).flatMap { c in
            stride(from: c, to: picture.pixels.count, by: picture.channels).map { picture.pixels[$0] }
        }
        self.init(channels: picture.channels, height: picture.height, width: picture.width, levels: levels)
    }
}
