// Waiting for what happens soon, without betting on how soon.

/// Whether `condition` becomes true within ten seconds.
public func eventually(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<1000 {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
