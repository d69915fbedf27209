// The directory of a ZIP archive with stored entries, ZIP64 included: where each entry's bytes lie in the mapped file.
//
// Costs one pass over the directory. Sizes come from the central directory, never from local headers, which streaming
// writers leave empty. CRC-32 is not verified: PyTorch can be told not to compute it, and then writes a wrong one.

/// Entries of an archive by name; each range is inside the file and shares no byte with another entry.
struct ZIPArchive {
    let file: MappedFile
    let entries: [String: Range<Int>]

    init(_ file: MappedFile) throws(ZIPError) {
        let directory = try ZIPDirectory(file.bytes)
        var entries: [String: Range<Int>] = [:]
        var spans: [(name: String, range: Range<Int>)] = []
        var offset = directory.range.lowerBound
        for number in 0..<directory.entryCount {
            let record = try ZIPRecord(file.bytes, at: offset, limit: directory.range.upperBound, number: number)
            offset = record.end
            let whole = try record.span(in: file.bytes, limit: directory.range.lowerBound)
            guard entries.updateValue(whole.data, forKey: record.name) == nil else {
                throw .duplicateEntry(record.name)
            }
            spans.append((record.name, whole.start..<whole.data.upperBound))
        }
        guard offset == directory.range.upperBound else { throw .damagedDirectory(entryNumber: directory.entryCount) }
        spans.sort { $0.range.lowerBound < $1.range.lowerBound }
        for (first, second) in zip(spans, spans.dropFirst())
        where second.range.lowerBound < first.range.upperBound {
            throw .overlappingEntries(first.name, second.name)
        }
        self.file = file
        self.entries = entries
    }

    /// The bytes of an entry, or nil where there is none of that name.
    subscript(name: String) -> UnsafeRawBufferPointer? {
        entries[name].map { UnsafeRawBufferPointer(rebasing: file.bytes[$0]) }
    }
}
