// A model in the words of a person: classes as the command line names them, and sizes other than its own.

import PixelCNNAPI
import Support

extension ModelDescription {
    /// The class that a word stands for: its number, its name, or the beginning of its name alone.
    func `class`(_ word: String) throws(Failure) -> Int {
        do {
            return try number(of: ClassLabel(word), acceptsBeginnings: true)
        } catch {
            throw Failure(.usage, "\(error)")
        }
    }

    /// Stands for all classes, unless one has that name.
    static let allClasses = "all"

    /// What to do where a class is missing.
    static func labelHint(_ error: RequestError, _ label: ClassLabel?, _ hint: String) -> String {
        error.field == "label" && label == nil ? "\(error); \(hint)" : "\(error)"
    }

    /// The numbers of the classes that words stand for; a single nil for the images of a model that has none.
    func classes(_ words: [String]) throws(Failure) -> [Int?] {
        if words.isEmpty { return [nil] }
        let isName = labelNames.contains { $0.lowercased() == Self.allClasses }
        if words == [Self.allClasses], !isName, labels > 0 { return Array(0..<labels) }
        if words.count > 1, words.contains(Self.allClasses), !isName {
            throw Failure(.usage, "--label \(Self.allClasses) stands alone: all classes are drawn then")
        }
        var classes: [Int?] = []
        for word in words { classes.append(try self.class(word)) }
        return classes
    }

    // A network runs at any size, so another one than the model's is no error; a grid taken for an image would go
    // unnoticed.

    /// What to say before drawing; nil where the request has a size, or the model does.
    func assumedSizeNote(_ request: SampleRequest) -> String? {
        guard sizeAssumed == true, request.height == nil || request.width == nil else { return nil }
        return "the model's file does not say its image size; drawing \(request.height ?? height) × "
            + "\(request.width ?? width) (choose with --height and --width)"
    }

    /// What to say of images of this size; nil where it is the model's own.
    ///
    /// - Parameters:
    ///   - outcome: what becomes of them as they are.
    ///   - arePictures: whether `--size` would resize them.
    func sizeNote(height: Int, width: Int, _ outcome: String, arePictures: Bool) -> String? {
        guard (height, width) != (self.height, self.width) else { return nil }
        let size = self.height == self.width ? "\(self.height)" : "\(self.height)x\(self.width)"
        return "\(height) × \(width), and the model's images are \(self.height) × \(self.width): \(outcome)"
            + (arePictures ? "; --size \(size) resizes to theirs" : "")
    }
}
