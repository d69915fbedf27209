// Waiting for what happens soon, without betting on how soon: a machine may be slow, and busy with other tests besides.

/// How long anything may take: a guard against what hangs, which no load comes near.
package let testTimeout = Duration.seconds(600)

/// Whether `condition` becomes true before the time limit is at its end.
package func eventually(_ condition: () async -> Bool) async -> Bool {
    let end = ContinuousClock.now + testTimeout
    while !(await condition()) {
        guard ContinuousClock.now < end else { return false }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return true
}
