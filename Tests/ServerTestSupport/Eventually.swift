// Waiting for what happens soon, without betting on how soon.

/// Whether `condition` becomes true within ten seconds, or as many as are given.
public func eventually(seconds: Int = 10, _ condition: () async -> Bool) async -> Bool {
    for _ in 0..<(seconds * 100) {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
