// Row caches of images that are done, for those that come next: a megabyte each for the published network, which would
// be given back and faulted in again, a quarter of a millisecond of an image's thirty. Bounded in bytes, alone and
// together with the caches in use; what has lain there longest goes first, so that a pool of one width does not hold up
// another.

import Foundation

/// Row caches without an image, of one engine. Shared by threads.
package final class RowCachePool: @unchecked Sendable {
    /// The caches of as many images of 32 columns, of the published network, as a thread steps together.
    package static let defaultByteLimit = 64 << 20

    private let byteLimit: Int
    private let totalByteLimit: Int
    // No Mutex, whose order ThreadSanitizer does not see.
    private let lock = NSLock()
    private var idle: [RowCache] = []
    private var idleBytes = 0
    private var usedBytes = 0

    /// An empty pool that keeps at most `byteLimit` bytes, and less where those together with the caches in use would
    /// be more than `totalByteLimit`.
    package init(byteLimit: Int = RowCachePool.defaultByteLimit, totalByteLimit: Int = .max) {
        (self.byteLimit, self.totalByteLimit) = (byteLimit, totalByteLimit)
    }

    /// Bytes of the caches that wait.
    package var bytes: Int { lock.withLock { idleBytes } }

    /// A cache as good as new.
    func take(geometry: Geometry, width: Int) -> RowCache {
        let (used, superfluous) = lock.withLock {
            usedBytes += RowCache.byteCount(geometry: geometry, width: width)
            var used: RowCache?
            if let place = idle.lastIndex(where: { $0.width == width }) {
                used = idle.remove(at: place)
                idleBytes -= RowCache.byteCount(geometry: geometry, width: width)
            }
            return (used, removeSuperfluous())
        }
        _ = superfluous  // freed here, outside the lock
        guard let used else { return RowCache(geometry: geometry, width: width) }
        used.forget()
        return used
    }

    /// Takes in a cache that nobody uses any more.
    func put(_ cache: RowCache) {
        let superfluous = lock.withLock {
            usedBytes -= cache.byteCount
            idle.append(cache)
            idleBytes += cache.byteCount
            return removeSuperfluous()
        }
        _ = superfluous  // freed here, outside the lock
    }

    /// Under the lock.
    private func removeSuperfluous() -> [RowCache] {
        let limit = min(byteLimit, totalByteLimit - usedBytes)
        var count = 0
        while idleBytes > limit, count < idle.count {
            idleBytes -= idle[count].byteCount
            count += 1
        }
        defer { idle.removeFirst(count) }
        return Array(idle[..<count])
    }
}
