// A batch of images that step together, each at a position and of a size of its own; images join and leave between
// steps. A step takes every image one pixel further: at a row's start the vertical stack, then the horizontal stack and
// the output layers, value by value. An image's result does not depend on what else is in the session.

/// Images in flight on one thread: add tasks, step, take what is finished. Not thread-safe.
public final class SamplingSession {
    /// The most images that can be in flight at once.
    public let capacity: Int
    /// Images in flight.
    public var count: Int { images.count }

    private let engine: Engine
    private let vertical: VerticalStack
    private let horizontal: HorizontalStack
    private let categorical: Categorical
    private var images: [ImageInFlight] = []  // image i has slot i of the horizontal stack

    /// Sees the logits (d) of each value, teacher-forced or drawn, before it is chosen: for tests.
    var inspectLogits: ((_ tag: Int, _ row: Int, _ column: Int, _ channel: Int, UnsafePointer<Float>) -> Void)?

    /// A session without images. Memory for `capacity` pixels is allocated now, an image's rows when it is added.
    public init(engine: Engine, capacity: Int) {
        precondition(capacity > 0)
        (self.engine, self.capacity) = (engine, capacity)
        let (weights, kernels, geometry) = (engine.weights, engine.kernels, engine.geometry)
        vertical = VerticalStack(weights: weights, kernels: kernels, geometry: geometry)
        horizontal = HorizontalStack(weights: weights, kernels: kernels, geometry: geometry, capacity: capacity)
        categorical = Categorical(kernels: kernels, colors: geometry.colors)
        images.reserveCapacity(capacity)
    }

    /// Takes in an image; it moves with the next step. `tag` comes back with its result.
    public func add(_ task: ImageTask, tag: Int) {
        precondition(count < capacity, "the session is full")
        precondition(task.height > 0 && task.width > 0)
        vertical.reserve(width: task.width)
        images.append(ImageInFlight(task: task, tag: tag, geometry: engine.geometry))
    }

    /// Takes every image one pixel further, and hands those that are complete to `finish`.
    public func step(finish: (_ tag: Int, _ result: ImageResult) -> Void) {
        for (slot, image) in images.enumerated() {
            if image.column == 0 { vertical.computeRow(image.row, of: image.cache) }
            horizontal.beginPixel(slot: slot, row: image.row, column: image.column, cache: image.cache)
        }
        horizontal.addLeftTaps(count: count)
        for c in 0..<engine.geometry.channels {
            horizontal.computeGroup(c, count: count)
            for (slot, image) in images.enumerated() { chooseValue(c, slot, image) }
        }
        for slot in images.indices.reversed() {
            let image = images[slot]
            image.storeInputFeatures(horizontal.inputFeatures(slot: slot))
            if image.advance() {
                finish(image.tag, image.result)
                remove(slot: slot)
            }
        }
    }

    /// Drops the images whose tag the predicate picks, unfinished.
    public func removeAll(where isUnwanted: (_ tag: Int) -> Bool) {
        for slot in images.indices.reversed() where isUnwanted(images[slot].tag) { remove(slot: slot) }
    }

    private func chooseValue(_ c: Int, _ slot: Int, _ image: ImageInFlight) {
        let logits = horizontal.logits(slot: slot)
        inspectLogits?(image.tag, image.row, image.column, c, logits)
        let value = image.chooseValue(channel: c, logits: logits, with: categorical)
        let normalized = engine.normalizedValues[value]
        image.cache.pixels(row: image.row, column: image.column)[c] = normalized
        horizontal.setValue(normalized, slot: slot, channel: c)
    }

    /// The last image takes the free slot.
    private func remove(slot: Int) {
        let last = images.count - 1
        if slot != last {
            horizontal.move(from: last, to: slot)
            images[slot] = images[last]
        }
        images.removeLast()
    }
}
