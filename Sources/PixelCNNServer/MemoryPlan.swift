// A bound on the memory that all requests together hold: bodies, values, results, and responses until they are written.
// It is claimed before it is needed, by estimates that are never too small, and a request that finds no room is
// refused; so many large requests, or many readers that do not read, cannot exhaust the machine. Costs two atomic
// additions per claim.

import PixelCNNAPI
import Synchronization

/// Bytes that requests may hold, and do.
final class MemoryBudget: Sendable {
    let limit: Int
    private let used = Atomic<Int>(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// Bytes that are claimed now.
    var bytesInUse: Int { used.load(ordering: .relaxed) }

    /// Claims bytes; false where there is no room.
    fileprivate func claim(_ bytes: Int) -> Bool {
        if used.wrappingAdd(bytes, ordering: .relaxed).newValue <= limit { return true }
        giveBack(bytes)
        return false
    }

    fileprivate func giveBack(_ bytes: Int) { used.wrappingSubtract(bytes, ordering: .relaxed) }
}

/// What one request holds of the budget. Changed by the request's own task alone.
final class RequestMemory: Sendable {
    private let budget: MemoryBudget
    private let held = Atomic<Int>(0)

    init(_ budget: MemoryBudget) {
        self.budget = budget
    }

    /// Bytes held.
    var bytes: Int { held.load(ordering: .relaxed) }

    /// The most that a request may hold.
    var limit: Int { budget.limit }

    /// Holds `bytes` from now on, in place of what was held.
    ///
    /// - Throws: 429 where others hold too much, 422 where it is more than all requests together may hold. What was
    ///   held stays so then.
    func hold(_ bytes: Int) throws(ProblemResponse) {
        let more = bytes - self.bytes
        guard bytes <= budget.limit else {
            throw ProblemResponse(
                .unprocessableContent,
                "the request would take \(bytes) bytes of memory; all requests together may take \(budget.limit)")
        }
        guard budget.claim(more) else {
            throw .busy(
                .tooManyRequests, "the memory for requests is in use; try again in 1 s", retryAfterSeconds: 1)
        }
        held.store(bytes, ordering: .relaxed)
    }

    /// Holds nothing any more.
    func giveBack() { budget.giveBack(held.exchange(0, ordering: .relaxed)) }
}

/// The most that requests take, in bytes. Values are two bytes each wherever they are numbers.
enum MemoryNeed {
    /// Of an array, beside its elements.
    private static let array = 64

    /// A body of `count` bytes: as it comes, as an array is grown or read from it, and that array in another order.
    static func body(_ count: Int) -> Int { count.multipliedReportingOverflow(by: 4).overflow ? .max : 4 * count }

    /// A body of `count` bytes of JSON: as it came, a text of it, and the bytes that this is base64 of, twice.
    static func json(_ count: Int) -> Int { 5 * count }

    /// Pictures decoded, with their transparency and from their palettes, then as values and as a mask.
    static func decoding(pixels: Int, values: Int) -> Int { pixels * 8 + values * 4 }

    /// Pixels that images start with.
    static func given(pixels: Int, values: Int) -> Int { pixels + values * 2 }

    /// Images drawn, then put together, then a picture or an array and its encoding.
    static func samples(images: Int, values: Int) -> Int { images * array + values * 6 }

    /// The log-probabilities of such images: four bytes each, in one or two arrays.
    static func logProbabilities(images: Int, values: Int) -> Int { 2 * (images * array + values * 12) }

    /// Images drawn that nobody has read yet; with `rows`, these too, and their log-probabilities where these are
    /// wanted.
    static func stream(images: Int, values: Int, rows: Int, measuresDraws: Bool) -> Int {
        images * array + values * 2 + (rows > 0 ? rows * array + values * 2 : 0)
            + (measuresDraws ? 2 * (images * array + values * 4) : 0)
    }

    /// Values to score, their four-byte log-probabilities, and these put together or encoded; or one number per image
    /// as JSON, twice.
    static func scores(images: Int, values: Int) -> Int { images * (array + 160) + values * 10 }
}
