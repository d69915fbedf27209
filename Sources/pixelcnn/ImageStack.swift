// The images of files, one after the other: a stack that is read in batches and never held whole. What each file is and
// how many images it has is found out first, so that a wrong one is reported before anything is computed.

import ImageFormats
import ImageImport
import PixelCNNAPI
import Support

struct ImageStack {
    /// Images as a request's body, NPY (count, channels, height, width).
    struct Batch: Sendable {
        let count: Int
        let body: [UInt8]
    }

    private struct Source {
        let path: String
        /// Nil of a picture.
        let layout: NPYLayout?
        /// What its images are; of an array known once the model's channels are.
        var images: ImageArrayShape?
        /// Rows and columns of a picture.
        let size: (height: Int, width: Int)
        /// What cannot be opened again, or lay in an archive.
        let kept: OpenFile?

        var count: Int { images?.count ?? 1 }
        var height: Int { images?.height ?? size.height }
        var width: Int { images?.width ?? size.width }
    }

    private var sources: [Source]
    /// What pictures become; nil where they stay as they are.
    private let size: ImageSize?
    private let background: Background?
    /// Whether there are no arrays.
    var arePictures: Bool { sources.allSatisfy { $0.layout == nil } }
    /// Images, once the model's shape is known.
    var count: Int { sources.reduce(0) { $0 + $1.count } }
    /// The next image to be read: of which source, and which there.
    private var next = (source: 0, image: 0)

    /// What of folders is left out, a line each.
    private(set) var notes: [String] = []

    /// Looks into files; a folder stands for all pictures and arrays in it and below it, by name, and `-` for standard
    /// input.
    ///
    /// - Parameters:
    ///   - size: what pictures of other sizes are brought to.
    ///   - background: what lies behind pictures that are not opaque.
    /// - Throws: ``Failure``: no such file (66), one that is no image (65).
    init(_ paths: [String], size: ImageSize? = nil, background: Background? = nil) throws(Failure) {
        var sources: [Source] = []
        for path in paths {
            guard FileKind(path: path) == .folder else {
                sources.append(try Self.source(path, size))
                continue
            }
            var folder = try ImageFolder(path) { Task.isCancelled }
            var damaged: Set<String> = []
            for name in folder.names {
                if Task.isCancelled { throw Failure(.temporaryFailure, "interrupted") }
                if !ImageFolder.isArray(name), Self.isDamaged(folder.path + name) {
                    damaged.insert(name)
                } else {
                    sources.append(try Self.source(folder.path + name, size))
                }
            }
            folder.leaveOut(damaged: damaged)
            guard !folder.names.isEmpty else {
                throw Failure(
                    .dataError,
                    "\(path) is a folder without pictures or arrays (\(ImageKind.endings.joined(separator: ", ")))"
                        + (folder.note.map { "; \($0)" } ?? ""))
            }
            if let note = folder.note { notes.append(note) }
        }
        self.sources = sources
        self.size = size
        self.background = background
    }

    // MARK: - What there is

    /// Whether a file in a folder holds no picture that could be decoded. To decode it twice costs little beside its
    /// score, and how many images there are is known before the first is scored.
    private static func isDamaged(_ path: String) -> Bool {
        do {
            let file = try OpenFile(path)
            let bytes = try file.bytes(0..<file.byteCount)
            switch ImageKind(bytes) {
            case .npy, .npz: break
            case .png, .picture, nil: _ = try Picture.imported(bytes)
            }
            return false
        } catch {
            return Picture.isDamage(error)
        }
    }

    /// The first bytes say what a file is, whatever its name.
    private static func source(_ path: String, _ newSize: ImageSize?) throws(Failure) -> Source {
        do {
            let file = try OpenFile.ofImages(path)
            let kept = file.isPlain ? nil : file
            switch ImageKind(try file.bytes(0..<ImageKind.bytesNeeded)) {
            case .png, .picture:
                let (width, height) = try Picture.importedSize(of: file.bytes(0..<file.byteCount))
                return Source(
                    path: path, layout: nil, size: (newSize?.height ?? height, newSize?.width ?? width), kept: kept)
            case .npy, .npz:
                let layout = try NPYLayout { range in try file.bytes(range) }
                try layout.check(fileBytes: file.byteCount)
                guard (2...4).contains(layout.shape.count) else {
                    throw Failure(
                        .dataError,
                        "\(path): shape is \(layout.shape); allowed is (n, channels, height, width) or "
                            + "(channels, height, width), and of one channel (n, height, width) or (height, width)")
                }
                guard layout.shape[0] > 0 else { throw Failure(.dataError, "\(path): there are no images in it") }
                return Source(path: path, layout: layout, size: (0, 0), kept: kept)
            case nil:
                throw Failure(.dataError, "\(path == "-" ? file.path : path): \(ImageKind.unknown)")
            }
        } catch {
            throw Failure(path, error)
        }
    }

    /// The shape of every image; from here on it is known how many there are.
    ///
    /// - Throws: ``Failure`` (65) where images are not of one size, or not the model's.
    mutating func shape(for model: ModelDescription) throws(Failure) -> SampledImages.Shape {
        for (i, source) in sources.enumerated() {
            guard let shape = source.layout?.shape else { continue }
            guard let images = ImageArrayShape(shape, channels: model.channels) else {
                throw Failure(
                    .dataError,
                    "\(source.path): shape is \(shape); images of the model are "
                        + ImageArrayShape.advice(shape, channels: model.channels))
            }
            sources[i].images = images
            guard size == nil || size == ImageSize(height: images.height, width: images.width) else {
                throw Failure(array: source.path, height: images.height, width: images.width)
            }
        }
        let first = sources[0]
        for source in sources {
            guard source.layout != nil || model.isShownAsPNG else {
                throw Failure(
                    .dataError,
                    "\(source.path): a picture cannot hold \(model.channels) channels of \(model.colors) values; "
                        + "use NPY"
                )
            }
            guard (source.height, source.width) == (first.height, first.width) else {
                throw Failure(
                    .dataError,
                    "\(source.path): images of \(source.height) × \(source.width) (height × width); those of "
                        + "\(first.path) are \(first.height) × \(first.width), and a stack has one size"
                        + (arePictures ? "; --size brings all to one" : ""))
            }
        }
        let shape = SampledImages.Shape(
            channels: model.channels, height: first.height, width: first.width, colors: model.colors)
        do {
            try model.limits.check(count: 1, channels: shape.channels, height: shape.height, width: shape.width)
        } catch {
            throw Failure(first.path, error)
        }
        return shape
    }

    /// The file of each image, and its index there.
    var places: [(file: String, index: Int)] {
        sources.flatMap { source in (0..<source.count).map { (source.path, $0) } }
    }

    /// The files, as they are named.
    var paths: [String] { sources.map(\.path) }

    /// What people call each image: its index where there is one file, else its file, and its index there.
    var names: [String] {
        if sources.count == 1 { return (0..<count).map { "\($0)" } }
        return sources.flatMap { source in
            source.images?.isStack == true ? (0..<source.count).map { "\(source.path)[\($0)]" } : [source.path]
        }
    }

    // MARK: - Reading

    /// The next `count` images, which there must be.
    ///
    /// - Throws: ``Failure`` (65) that names the file and the image.
    mutating func read(_ count: Int, _ shape: SampledImages.Shape) throws(Failure) -> Batch {
        var values: [UInt16] = []
        values.reserveCapacity(count * shape.count)
        while values.count < count * shape.count {
            let source = sources[next.source]
            let images = next.image..<min(next.image + count - values.count / shape.count, source.count)
            do {
                values += try Self.values(of: source, images, shape, size, background)
            } catch {
                throw Failure(source.path, error)
            }
            next =
                images.upperBound < source.count ? (next.source, images.upperBound) : (next.source + 1, 0)
        }
        return Batch(count: count, body: SampledImages(values: values, shape: shape).npy())
    }

    private static func values(
        of source: Source, _ images: Range<Int>, _ shape: SampledImages.Shape, _ size: ImageSize?,
        _ background: Background?
    ) throws -> [UInt16] {
        let file = try source.kept ?? OpenFile(source.path)
        guard let layout = source.layout else {
            let limit = size == nil ? shape.height * shape.width : PNG.defaultLimit
            let picture = try Picture.imported(
                file.bytes(0..<file.byteCount), limit: limit, background: background
            ).resized(to: size, source.path)
            let values = try Grid.values(of: picture, channels: shape.channels, colors: shape.colors)
            guard values.count == shape.count else { throw Failure(.dataError, "\(source.path) has changed meanwhile") }
            return values
        }
        // An array of one image has no index of images.
        let rows = source.images?.isStack == true ? images : 0..<layout.shape[0]
        let stretches = layout.stretches(ofRows: rows)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(stretches.count * stretches.length)
        for i in 0..<stretches.count {
            let start = stretches.start + i * stretches.stride
            let stretch = try file.bytes(start..<start + stretches.length)
            guard stretch.count == stretches.length else {
                throw Failure(.dataError, "\(source.path) has become shorter meanwhile")
            }
            bytes += stretch
        }
        do {
            return try layout.array(rows: rows.count, bytes: bytes).integers(as: UInt16.self, in: 0...shape.colors - 1)
        } catch {
            guard case .valueOutOfRange(let value, var index, let allowed) = error else { throw error }
            index[0] += rows.lowerBound
            let error = NPYError.valueOutOfRange(value: value, index: index, allowed: allowed)
            throw Failure(
                .dataError,
                "\(source.path): \(error); an array holds the model's values, a picture levels 0 … 255 that show them")
        }
    }
}
