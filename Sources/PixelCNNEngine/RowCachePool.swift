// Row caches of images that are done, for those that come next: a megabyte each for the published network, which would be
// given back and faulted in again, a quarter of a millisecond of an image's thirty. Bounded in bytes; what has lain there
// longest goes first, so that a pool of one width does not hold up another.

import Synchronization

/// Row caches without an image, of one engine. Shared by threads.
public final class RowCachePool: Sendable {
    /// The caches of as many images of 32 columns, of the published network, as a thread steps together.
    public static let defaultByteLimit = 64 << 20

    /// A cache that no thread has.
    private struct Idle: @unchecked Sendable { let cache: RowCache }

    private let byteLimit: Int
    private let idle = Mutex<(caches: [Idle], bytes: Int)>(([], 0))

    /// An empty pool of at most `byteLimit` bytes.
    public init(byteLimit: Int = RowCachePool.defaultByteLimit) {
        self.byteLimit = byteLimit
    }

    /// Bytes of the caches that wait.
    public var bytes: Int { idle.withLock { $0.bytes } }

    /// A cache as good as new.
    func take(geometry: Geometry, width: Int) -> RowCache {
        let used = idle.withLock { idle -> Idle? in
            guard let place = idle.caches.lastIndex(where: { $0.cache.width == width }) else { return nil }
            idle.bytes -= idle.caches[place].cache.byteCount
            return idle.caches.remove(at: place)
        }
        guard let used else { return RowCache(geometry: geometry, width: width) }
        used.cache.forget()
        return used.cache
    }

    /// Takes in a cache that nobody uses any more.
    func put(_ cache: RowCache) {
        let new = Idle(cache: cache)
        let superfluous = idle.withLock { idle -> [Idle] in
            idle.caches.append(new)
            idle.bytes += new.cache.byteCount
            var count = 0
            while idle.bytes > byteLimit {
                idle.bytes -= idle.caches[count].cache.byteCount
                count += 1
            }
            defer { idle.caches.removeFirst(count) }
            return Array(idle.caches[..<count])
        }
        _ = superfluous  // freed here, outside the lock
    }
}
