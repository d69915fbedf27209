// Small and large jobs are stepped apart: a step of 64 images takes many times as long as one of a single image, so an
// image that joined them would take as long as they do. A worker has a session for each size and gives each its share
// of the time. And an image of many pixels holds its place for long, which small jobs must not find taken.

/// Which session a job's images go to.
enum JobSize: CaseIterable {
    case small, large

    /// So few images are stepped at close to one image's speed.
    private static let mostImagesOfSmall = 4

    /// - Parameters:
    ///   - images: of the job.
    ///   - pixels: of an image.
    ///   - modelPixels: of an image of the model's own size.
    init(images: Int, pixels: Int, modelPixels: Int) {
        let most = Self.mostImagesOfSmall
        self = images <= most && images * pixels <= most * modelPixels ? .small : .large
    }
}

/// A value for each size.
struct PerSize<Value> {
    var small: Value
    var large: Value

    subscript(size: JobSize) -> Value {
        get { size == .small ? small : large }
        set { if size == .small { small = newValue } else { large = newValue } }
    }
}

extension PerSize: Sendable where Value: Sendable {}

extension PerSize where Value: AdditiveArithmetic {
    static var zero: PerSize { PerSize(small: .zero, large: .zero) }

    var total: Value { small + large }
}
