// Where an axis has its marks: at multiples of 1, 2 or 5 times a power of ten, as few as can be read and as many as
// help.

#if canImport(Glibc)
    import Glibc
#endif

/// Marks on an axis from `range.lowerBound` to `range.upperBound`.
struct Ticks {
    let values: [Double]
    private let decimals: Int

    /// About `count` marks; `isWhole` allows none between whole numbers.
    init(_ range: ClosedRange<Double>, count: Int, isWhole: Bool = false) {
        let span = range.upperBound - range.lowerBound
        guard span > 1e-9 * max(1, abs(range.lowerBound)) else {  // nothing that numbers could tell apart
            (values, decimals) = ([range.lowerBound], 2)
            return
        }
        let rough = span / Double(max(count, 1))
        let power = pow(10, floor(log10(rough)))
        var step = ([1, 2, 5].first { $0 * power >= rough * 0.999 } ?? 10) * power
        if isWhole { step = max(1, step) }
        let first = Int((range.lowerBound / step - 1e-6).rounded(.up))
        let last = Int((range.upperBound / step + 1e-6).rounded(.down))
        values = first <= last ? (first...last).map { Double($0) * step } : []
        decimals = max(0, -Int(floor(log10(step) + 1e-9)))
    }

    /// A mark's label, as long as the others'.
    func label(_ value: Double) -> String {
        let text = String(value, decimals: decimals)
        return text.hasPrefix("-") && Double(text) == 0 ? String(text.dropFirst()) : text
    }
}

extension String {
    /// `value` with a fixed number of decimals, in no locale.
    init(_ value: Double, decimals: Int) {
        var buffer = [CChar](repeating: 0, count: 400)
        withVaList([Int32(decimals), value]) { _ = vsnprintf(&buffer, buffer.count, "%.*f", $0) }
        self = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
