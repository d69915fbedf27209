// What can be wrong with a ZIP archive that should be a PyTorch file.

/// A ZIP archive this reader refuses.
package enum ZIPError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No end-of-central-directory record: the file is cut short, or has something appended.
    case noEndRecord
    /// The end records point outside the file or contradict each other.
    case damagedEndRecord
    /// The archive continues in another file.
    case multipleDisks
    /// The central directory ends in the middle of an entry, or has fewer or more entries than announced.
    case damagedDirectory(entryNumber: Int)
    /// An entry's name is not UTF-8.
    case nameNotUTF8(entryNumber: Int)
    /// Two entries have the same name.
    case duplicateEntry(String)
    /// The entry is compressed; PyTorch stores its entries as they are.
    case compressedEntry(String, method: Int)
    /// The entry is encrypted.
    case encryptedEntry(String)
    /// The local header is missing or names another entry.
    case localHeaderMismatch(String)
    /// Stored and original size of an uncompressed entry differ.
    case sizeMismatch(String, stored: UInt64, original: UInt64)
    /// The entry reaches outside the part of the file that holds entries.
    case entryOutOfRange(String)
    /// Two entries share bytes.
    case overlappingEntries(String, String)

    /// One line: entry, what was found, what to do.
    package var description: String {
        switch self {
        case .noEndRecord:
            "the ZIP archive has no end record: the file is cut short; copy or download it again"
        case .damagedEndRecord:
            "the ZIP archive's end record contradicts the file; copy or download it again"
        case .multipleDisks:
            "the ZIP archive is split over several files, which is not supported"
        case .damagedDirectory(let number):
            "the ZIP archive's directory is damaged at entry \(number); copy or download the file again"
        case .nameNotUTF8(let number):
            "the name of ZIP entry \(number) is not UTF-8"
        case .duplicateEntry(let name):
            "the ZIP archive has two entries named \(quoted(name))"
        case .compressedEntry(let name, let method):
            "ZIP entry \(quoted(name)) is compressed (method \(method)); only stored entries, as torch.save writes, are "
                + "read: unpack the archive and pack it with zip -0"
        case .encryptedEntry(let name):
            "ZIP entry \(quoted(name)) is encrypted, which is not supported"
        case .localHeaderMismatch(let name):
            "ZIP entry \(quoted(name)) has no header of that name where the directory says it starts"
        case .sizeMismatch(let name, let stored, let original):
            "ZIP entry \(quoted(name)) takes \(stored) bytes but claims to be \(original) bytes, without compression"
        case .entryOutOfRange(let name):
            "ZIP entry \(quoted(name)) reaches outside the archive; the file is cut short or damaged"
        case .overlappingEntries(let first, let second):
            "ZIP entries \(quoted(first)) and \(quoted(second)) overlap"
        }
    }
}
