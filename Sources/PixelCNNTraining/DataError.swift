// What can be wrong with training data: the file, and one case per way to be wrong, each a line that says what was
// found and what is allowed.

import ImageFormats
import ImageImport

/// Training data that cannot be had, or cannot be right.
package struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What is wrong, apart from the file's name.
    package enum Problem: Sendable, Equatable {
        /// There is no such file or folder.
        case missing
        /// The system does not let us read or write it.
        case system(reason: String)
        /// Nothing in it says what data it is.
        case unknownForm
        /// The file has another length than its records or header promise.
        case wrongLength(found: Int, expected: String)
        /// A label that the data set does not have.
        case labelOutOfRange(record: Int, label: Int, limit: Int)
        /// There is nothing where the classes of the images should be.
        case noLabels(expected: String?)
        /// Classes for another number of images.
        case labelCount(found: Int, images: Int)
        /// Neither an array nor an IDX file of labels.
        case notLabels
        /// Not a file of names.
        case notNames
        /// A picture without a class.
        case inNoSubfolder
        /// A file of classes beside data that has its own.
        case ownLabels
        /// A class that the model, or the data it learns from, does not have.
        case unknownClass(String, known: [String])
        /// Not an IDX file of images.
        case notIDX(magic: UInt32)
        /// A file packed by gzip that does not become what it says.
        case damagedGzip
        /// A pickle that is not read, and why; or that is no batch of images.
        case pickle(String)
        /// The array has another shape than images have.
        case notImages(shape: [Int])
        /// Not a NumPy array.
        case npy(NPYError)
        /// A container of arrays without the one that is needed.
        case npz(NPZError)
        /// A picture that is not read as it is, and why.
        case picture(String)
        /// A file that holds no picture which could be decoded, and why.
        case damagedPicture(String)
        /// A value that the network, or a picture, does not have.
        case valueBeyond(largest: Int, colors: Int)
        /// Pictures for a network of more values than their levels.
        case picturesForCodes(colors: Int)
        /// Values that are no levels and so have no mean.
        case codesNotResizable
        /// A picture of another size than the first.
        case mixedSizes(found: String, first: String)
        /// Images to test with that are not like those to train on.
        case otherImages(found: String, expected: String)
        /// Too large to be resized.
        case notResizable(shape: String)
        /// There are no images.
        case noImages
        /// Too few images to set a share of them aside.
        case nothingToSplit(share: Double, images: Int)
        /// A folder without pictures, and what it has.
        case noPictures(String?)
        /// The download failed.
        case download(url: String, reason: String)
        /// What was downloaded is not what was announced.
        case wrongDigest(found: String, expected: String)
        /// The archive cannot be unpacked.
        case archive(reason: String)
    }
    package let file: String
    package let problem: Problem

    package init(_ file: String, _ problem: Problem) {
        self.file = file
        self.problem = problem
    }

    /// Whether the data is not there, rather than wrong.
    package var isMissing: Bool {
        switch problem {
        case .missing, .system, .download: true
        default: false
        }
    }
    package var description: String { "\(file): \(problem)" }
}

extension DataError.Problem: CustomStringConvertible {
    /// One line: what was found, what is allowed, what to do.
    package var description: String {
        switch self {
        case .missing: "no such file or folder"
        case .system(let reason): reason
        case .noPictures(let note?): "\(Self.unknown); \(note)"
        case .unknownForm, .noPictures(nil): Self.unknown
        case .wrongLength(let found, let expected): "\(found) bytes; expected \(expected)"
        case .labelOutOfRange(let record, let label, let limit):
            "record \(record) has label \(label); labels are 0 to \(limit)"
        case .noLabels(let expected?): "has no classes: \(expected) is missing; \(Self.labelsOption)"
        case .noLabels(nil): "has no classes; \(Self.labelsOption)"
        case .labelCount(let found, let images): "holds \(found) labels for \(images) images"
        case .notLabels: "holds no labels; a .npy file of integers of shape (N), or an IDX file of them, does"
        case .notNames: "is neither a JSON array of different names, nor one name per line"
        case .inNoSubfolder: "lies in no subfolder; the subfolder says the class of a picture"
        case .ownLabels: "has its own classes; a file of labels goes with a .npy file or an IDX file"
        case .unknownClass(let name, let known):
            "“\(name)” is none of the classes \(known.joined(separator: ", "))"
        case .notIDX(let magic):
            "starts with 0x\(String(magic, radix: 16)); IDX images start with 0x803"
        case .damagedGzip: "is damaged: gzip's data ends early or is wrong; copy or download it again"
        case .pickle(let reason): reason
        case .notImages(let found): "has shape \(found); images are \(ImageArrayShape.advice(found, channels: nil))"
        case .npy(let error): "\(error)"
        case .npz(let error): "\(error)"
        case .damagedPicture(let error): error
        case .picture(let error): error.contains("transparen") ? "\(error), or name a --background" : error
        case .valueBeyond(let largest, let colors) where colors <= 256:
            "holds values up to \(largest); levels are 0 to 255. Train on codes, such as a VQ-VAE's, with --colors and "
                + "how many there are, \(largest + 1) or more"
        case .valueBeyond(let largest, let colors):
            "holds values up to \(largest); the network's are 0 to \(colors - 1)"
        case .picturesForCodes(let colors):
            "has pictures, of 256 levels, and the network \(colors) values: give an array of those, in .npy"
        case .codesNotResizable: "holds codes above 255, of which there is no mean: leave out --size"
        case .mixedSizes(let found, let first):
            "is \(found), and the first picture \(first); --size brings all to one size"
        case .otherImages(let found, let expected):
            "holds images of \(found), and the training images are \(expected); --size brings all to one size"
        case .notResizable(let shape): "is \(shape), too large to be resized; sides may be 32767"
        case .noImages: "holds no images"
        case .nothingToSplit(let share, let images):
            "holds \(images == 1 ? "1 image" : "\(images) images"), which a --validation of \(share) does not divide; "
                + "name another share, or other images"
        case .download(let url, let reason):
            "cannot be downloaded from \(url): \(reason); put the file there yourself, or name other images with --data"
        case .wrongDigest(let found, let expected):
            "has MD5 \(found); expected \(expected): it is cut short, damaged or another file; remove it and download "
                + "it again"
        case .archive(let reason): "cannot be unpacked: \(reason)"
        }
    }

    private static let unknown =
        "not known as data: a .npy, .npz or IDX file or a picture is, or a folder of CIFAR-10 batches, IDX files or "
        + "pictures (PNG, JPEG, WebP, BMP, TIFF)"
    private static let labelsOption = "name a file of them with --labels, or --test-labels for --test-data"
}
