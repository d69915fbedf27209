// Times and rates as people read them.

package enum Durations {
    /// `0:03`, `12:34`, `1:02:03`; a second that has begun counts.
    package static func clock(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        let total = Int(seconds.rounded(.up))
        let hours = total / 3600
        let minutes = total / 60 % 60
        return (hours > 0 ? "\(hours):\(twoDigits(minutes))" : "\(minutes)") + ":" + twoDigits(total % 60)
    }

    /// `3 min 20 s`, `2 h 5 min`.
    package static func words(_ seconds: Double) -> String {
        let minutes = Int(seconds / 60)
        return minutes >= 60 ? "\(minutes / 60) h \(minutes % 60) min" : "\(minutes) min \(Int(seconds) % 60) s"
    }

    /// `03:04:05`, `2 d 03:04:05`.
    package static func uptime(_ seconds: Double) -> String {
        let total = seconds.isFinite && seconds >= 0 && seconds < 1e15 ? Int(seconds) : 0
        let clock = [total / 3600 % 24, total / 60 % 60, total % 60].map(twoDigits).joined(separator: ":")
        return total >= 86_400 ? "\(total / 86_400) d \(clock)" : clock
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
