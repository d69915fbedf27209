// A batch of images that step together, each at a position and of a size of its own. A step takes every image one pixel
// further: at a row's start the vertical stack, then the horizontal stack and the output layers, value by value. It
// comes in pieces, since the vertical rows of many images take fifty times as long as their pixels; images join and
// leave between pieces. An image's result does not depend on what else is in the session, nor on the helper
// thread, which helps with the last one: then a step may take along a pixel of the row below.

import PixelCNNKernels

/// Images in flight on one thread: add tasks, step, take what is finished. Not thread-safe, except for
/// ``helperThread``.
package final class SamplingSession {
    /// The most images that can be in flight at once.
    package let capacity: Int
    /// Images in flight.
    package var count: Int { images.count + prefilling.count }
    /// Where a second thread helps with an image that is the only one in flight.
    package let helperThread: HelperThread

    private let engine: Engine
    private let vertical: VerticalStack
    private let horizontal: HorizontalStack
    private var columns: HorizontalStack?  // of scored images
    private let prefill: Prefill
    private let categorical: Categorical
    private let rowCaches: RowCachePool
    private let prefixCache: PrefixCache?
    private let rowsBetweenCheckpoints: Int
    private var images: [ImageInFlight] = []  // image i has slot i of the horizontal stack
    /// The slot of the row below that of an image which is, or was, the only one, and whose columns there are complete:
    /// beside its own, or the last one, which no image has.
    private var slotBelow = 1
    /// In rows whose values are known, because they are given or scored. Of several with the same given rows, the first
    /// one computes them.
    private var prefilling: [ImageInFlight] = []
    /// Rows prefilled, of all images: for tests.
    private(set) var prefilledRows = 0

    /// The step that has begun: images in prefill that are still to go a row further, the first ones, and images whose
    /// vertical row is there, also the first ones.
    private var begun: (prefillsLeft: Int, prepared: Int)?
    /// Columns of a block that a piece takes at most: half a millisecond's work for the published network.
    private static let columnsOfPiece = 256
    /// Columns of a scored row that a piece takes at most: so many share each weight that more would gain little.
    private static let columnsOfScore = 32
    /// Rows that a scored image takes in a step where all images are scored: what they read of the rows above is then
    /// still in the processor's caches.
    private static let rowsOfStep = 8
    /// Columns of rows that are narrow enough to be taken over as a whole, so that a helper thread may begin the next
    /// row at once: it follows a wider row's columns.
    private static let mostColumnsAhead = 64

    /// Called with each complete row of an image, in order, before `finish` is called with the image.
    package var finishRow: ((_ tag: Int, _ row: CompletedRow) -> Void)?

    /// Called with the logits (d) of each value, teacher-forced or drawn, before it is chosen: for tests and
    /// comparisons.
    package var inspectLogits: ((_ tag: Int, _ row: Int, _ column: Int, _ channel: Int, UnsafePointer<Float>) -> Void)?

    /// Whether images are scored by columns of a row at a time, rather than pixel by pixel as they are drawn: the bits
    /// are the same.
    package var scoresByColumns = true

    /// Called when a phase of a step begins, of several images or without a helper thread: for measurements.
    package var observePhase: ((SamplingPhase) -> Void)?

    /// A session without images. Memory for `capacity` pixels is allocated now, an image's rows when it is added.
    ///
    /// - Parameters:
    ///   - prefixCache: where given rows are looked up, and the checkpoints after them and after every
    ///     `rowsBetweenCheckpoints` rows of drawn images are kept; of the same engine.
    ///   - rowCaches: where rows of images come from and go to; of the same engine.
    package init(
        engine: Engine, capacity: Int, prefixCache: PrefixCache? = nil, rowsBetweenCheckpoints: Int = 1,
        rowCaches: RowCachePool = RowCachePool()
    ) {
        precondition(capacity > 0 && rowsBetweenCheckpoints > 0)
        self.engine = engine
        self.capacity = capacity
        self.prefixCache = prefixCache
        self.rowsBetweenCheckpoints = rowsBetweenCheckpoints
        self.rowCaches = rowCaches
        vertical = VerticalStack(engine: engine)
        horizontal = HorizontalStack(engine: engine, capacity: capacity + 1)
        prefill = Prefill(engine: engine)
        categorical = Categorical(kernels: engine.kernels, colors: engine.shape.colors)
        helperThread = HelperThread(
            vertical: VerticalStack(engine: engine), horizontal: horizontal,
            blocks: engine.shape.blocks, passes: engine.shape.features.count)
        images.reserveCapacity(capacity)
        prefilling.reserveCapacity(capacity)
    }

    deinit { helperThread.takeBack() }

    /// Takes in an image; it moves with the next piece. `tag` comes back with its result.
    package func add(_ task: ImageTask, tag: Int) {
        precondition(count < capacity, "the session is full")
        precondition(task.height > 0 && task.width > 0)
        precondition(engine.hyperparameters.accepts(label: task.label))
        helperThread.takeBack()
        helperThread.forgetRow()
        helperThread.reserve(width: task.width)
        if slotBelow < capacity, images.contains(where: { $0.columnsBelow > 0 }) { moveRowBelow(to: capacity) }
        vertical.reserve(columns: min(task.width, Self.columnsOfPiece))
        let image = ImageInFlight(
            task: task, tag: tag, cache: rowCaches.take(RowCache.Layout(engine.shape, width: task.width)),
            chain: prefixCache?.chain)
        if image.isPrefillRow {
            prefill.reserve(width: task.width)
            prefilling.append(image)
        } else if !image.isDrawn && scoresByColumns {
            columns = columns ?? HorizontalStack(engine: engine, capacity: Self.columnsOfScore, batch: .columns)
            columns?.reserve(width: min(task.width, Self.mostColumnsAhead))
            prefill.reserve(width: task.width)
            image.beginColumns()
            prefilling.append(image)
        } else {
            images.append(image)
        }
    }

    /// Takes every image one pixel further, or a row where it is given or scored, or eight where all are scored, and
    /// hands those that are complete to `finish`.
    package func step(finish: (_ tag: Int, _ result: ImageResult) -> Void) {
        while !stepPiece(finish: finish) {}
    }

    /// Does a piece of a step: some columns of one image's vertical row, a block of a scored row, or a pixel of all
    /// images. Returns whether the step is complete.
    package func stepPiece(finish: (_ tag: Int, _ result: ImageResult) -> Void) -> Bool {
        var (prefillsLeft, prepared) = begun ?? (prefilling.count, 0)
        let isComplete = stepPiece(&prefillsLeft, &prepared, finish)
        begun = isComplete ? nil : (prefillsLeft, prepared)
        return isComplete
    }

    /// Drops the images whose tag the predicate picks, unfinished.
    package func removeAll(where isUnwanted: (_ tag: Int) -> Bool) {
        for place in prefilling.indices.reversed() where isUnwanted(prefilling[place].tag) {
            removePrefilling(place: place)
            if let step = begun, place < step.prefillsLeft { begun = (step.prefillsLeft - 1, step.prepared) }
        }
        for slot in images.indices.reversed() where isUnwanted(images[slot].tag) { remove(slot: slot) }
    }

    // MARK: - A step

    private func stepPiece(
        _ prefillsLeft: inout Int, _ prepared: inout Int, _ finish: (_ tag: Int, _ result: ImageResult) -> Void
    ) -> Bool {
        if prefillsLeft > 0 {
            if prefillRow(place: prefillsLeft - 1, finish) { prefillsLeft -= 1 }
            return prefillsLeft == 0 && images.isEmpty
        }
        if images.isEmpty { return true }
        if count == 1 && helperThread.lend(images[0]) {
            stepWithHelper(images[0])
        } else {
            while prepared < images.count {
                let image = images[prepared]
                if image.wavefront.ready <= image.pixel {
                    observePhase?(.vertical)
                    computeVertical(image)
                    return false
                }
                prepared += 1
            }
            stepTogether()
        }
        for slot in images.indices.reversed() where images[slot].isComplete {
            finish(images[slot].tag, images[slot].result)
            remove(slot: slot)
        }
        return true
    }

    /// A pixel of all images, whose vertical rows are there.
    private func stepTogether() {
        let count = images.count
        observePhase?(.horizontal)
        for slot in 0..<count {
            let image = images[slot]
            horizontal.beginPixel(
                slot: slot, row: image.row, column: image.column, cache: image.cache, label: image.label)
        }
        horizontal.addLeftTaps(0..<count)
        let needsLogits = images.contains { !$0.isGiven($0.place) }
        for c in 0..<engine.shape.features.count {
            horizontal.computeGroup(c, count: count)
            observePhase?(.output)
            if needsLogits { horizontal.computeLogits(c, count: count) }
            observePhase?(.draw)
            for slot in 0..<count { chooseValues(c, slot, images[slot], images[slot].place) }
            observePhase?(.horizontal)
        }
        for slot in 0..<count {
            storeInputFeatures(slot, images[slot], images[slot].place)
            advance(images[slot], slot: slot)
        }
    }

    /// The same for a single image, while the helper thread prepares the next row and the next pixel; with a pixel of
    /// the next row, too, where that may go on.
    private func stepWithHelper(_ image: ImageInFlight) {
        if slotBelow > 1 { moveRowBelow(to: 1) }
        let below = helperThread.beginPixels(of: image)
        func forEachPlace(_ body: (_ slot: Int, _ place: Place) -> Void) {
            body(0, image.place)
            if let below { body(1, below) }
        }
        let needsLogits = !image.isGiven(image.place) || below.map(image.isGiven) == false
        for c in 0..<engine.shape.features.count {
            helperThread.computeGroup(c, of: image, and: below)
            if needsLogits { helperThread.computeLogits(c) }
            forEachPlace { slot, place in chooseValues(c, slot, image, place) }
        }
        forEachPlace { slot, place in storeInputFeatures(slot, image, place) }
        helperThread.finishLeftTaps(of: image)
        if below != nil { image.advanceBelow() }
        advance(image, slot: 0)
        if !image.isComplete { helperThread.didAdvance(image, keepingRow: isCheckpoint(after: image.row + 1)) }
    }

    private func moveRowBelow(to slot: Int) {
        horizontal.move(from: slotBelow, to: slot)
        slotBelow = slot
    }

    /// The next piece of the image's vertical rows, when the row above is complete.
    private func computeVertical(_ image: ImageInFlight, linkTo target: VerticalStack.LinkTarget = .cache) {
        guard let piece = nextVerticalPiece(of: image) else {
            preconditionFailure("the vertical stack waits for a row that is not complete")
        }
        vertical.compute(piece, of: image.cache, label: image.label, linkTo: target)
        image.wavefront.complete(piece)
    }

    private func nextVerticalPiece(of image: ImageInFlight) -> VerticalPiece? {
        image.wavefront.nextPiece(drawn: DrawnPixels(pixel: image.pixel), least: 1, most: Self.columnsOfPiece)
    }

    /// The values that a pass draws: one, or those of all channels.
    private func chooseValues(_ pass: Int, _ slot: Int, _ image: ImageInFlight, _ place: Place) {
        for c in engine.shape.drawn(in: pass) {
            let logits = horizontal.logits(slot: slot, channel: c)
            if !image.isGiven(place) { inspectLogits?(image.tag, place.row, place.column, c, logits) }
            let value = image.chooseValue(channel: c, at: place, logits: logits, with: categorical)
            engine.write(value, channel: c, to: image.cache.values(row: place.row, column: place.column))
            horizontal.setValue(value, slot: slot, channel: c)
        }
    }

    private func storeInputFeatures(_ slot: Int, _ image: ImageInFlight, _ place: Place) {
        if engine.shape.sharesInput {
            image.storeInputFeatures(horizontal.inputFeatures(slot: slot), of: place)
        }
    }

    private func advance(_ image: ImageInFlight, slot: Int) {
        let row = image.row
        image.advance()
        guard image.row != row else { return }
        if image.column > 0 { horizontal.move(from: slotBelow, to: slot) }
        didCompleteRow(of: image)
    }

    /// Whether what so many drawn rows have left is kept, for other images that begin with them.
    private func isCheckpoint(after rows: Int) -> Bool {
        prefixCache != nil && rows.isMultiple(of: rowsBetweenCheckpoints)
    }

    /// The row above the one in which the image stands is complete, and with it the image where the rest is given.
    private func didCompleteRow(of image: ImageInFlight) {
        reportRow(above: image)
        if let prefixCache, image.isDrawn, !image.isComplete {
            image.extendPrefix()
            if isCheckpoint(after: image.row) || image.isBelowPrefill {
                prefixCache.store(image.prefix, rows: image.row, from: image.cache)
            }
        }
        if image.isRestGiven { completeRest(of: image) }
    }

    /// Nothing of what is left needs to be computed.
    private func completeRest(of image: ImageInFlight) {
        while !image.isComplete {
            image.advanceRow()
            reportRow(above: image)
        }
    }

    private func reportRow(above image: ImageInFlight) {
        finishRow?(image.tag, CompletedRow(row: image.row - 1, isKnown: false, image: image))
    }

    // MARK: - Prefill

    /// A piece of a given row, and whether that was the row's last; an image that has no more of them joins the others.
    private func prefillRow(place: Int, _ finish: (_ tag: Int, _ result: ImageResult) -> Void) -> Bool {
        let image = prefilling[place]
        if let left = image.leftColumns {
            guard scorePiece(of: image, left: left.base) else { return false }
            if !image.isComplete {
                let areAllScored = images.isEmpty && prefilling.allSatisfy { $0.leftColumns != nil }
                return image.row.isMultiple(of: Self.rowsOfStep) || !areAllScored
            }
        } else if image.isRestGiven {
            completeRest(of: image)
        } else if image.isPrefillRow {
            if let first = prefilling.first(where: { $0.prefix.isSame(as: image.prefix) }), first !== image {
                return true
            }
            if !image.isStarted { start(image) }
            if image.isPrefillRow {
                guard prefillPiece(of: image) else { return false }
                if image.isPrefillRow { return true }
            }
            share(image)
        }
        removePrefilling(place: place, isDone: image.isComplete)
        if image.isComplete {
            finish(image.tag, image.result)
        } else {
            images.append(image)
        }
        return true
    }

    /// Restores the checkpoint after as many of the image's given rows as are known.
    private func start(_ image: ImageInFlight) {
        image.isStarted = true
        guard let rows = prefixCache?.restore(image.prefix, into: image.cache), rows > 0 else { return }
        resume(image, belowRows: rows)
    }

    private func resume(_ image: ImageInFlight, belowRows rows: Int) {
        image.resume(belowRows: rows)
        for row in 0..<rows { finishRow?(image.tag, CompletedRow(row: row, isKnown: true, image: image)) }
    }

    /// A piece of the given row that the image stands at; whether it was the last.
    private func prefillPiece(of image: ImageInFlight) -> Bool {
        if image.wavefront.ready < image.pixel + image.width {
            computeVertical(image, linkTo: .none)
            return false
        }
        prefill.compute(image)
        prefilledRows += 1
        image.advanceRow()
        didCompleteRow(of: image)
        return true
    }

    // MARK: - Scores

    /// A piece of the scored row that the image stands at; whether it was the last.
    private func scorePiece(of image: ImageInFlight, left: UnsafeMutablePointer<Float>) -> Bool {
        guard let columns else { preconditionFailure("an image is scored without room for its columns") }
        let piece = image.column..<min(image.column + Self.columnsOfScore, image.width)
        let isNarrow = image.width <= Self.mostColumnsAhead
        let pixels = image.row * image.width + (isNarrow ? image.width : piece.upperBound)
        let isLent = !image.isBetweenBlocks && count == 1 && helperThread.lend(image)
        if !isLent && image.wavefront.ready < pixels && (piece.lowerBound == 0 || !isNarrow) {
            guard computeNextBlock(of: image, columns, left: left) else { return false }
        } else {
            if isLent && (piece.lowerBound == 0 || !isNarrow) {
                // It may have been lent within the row above.
                helperThread.didAdvance(image)
                helperThread.wait(forVertical: pixels)
            }
            if piece.lowerBound == 0 {
                prefill.compute(image)
                let isAhead = isLent && isNarrow
                columns.takeVertical(of: image.cache, now: isAhead)
                if isAhead { helperThread.didAdvance(image, by: image.width) }
            }
            columns.computeColumns(piece, row: image.row, cache: image.cache, label: image.label, left: left)
        }
        score(piece, of: image, columns)
        image.advance(by: piece.count)
        if isLent && !isNarrow && !image.isComplete { helperThread.didAdvance(image) }
        guard image.column == 0 else { return false }
        didCompleteRow(of: image)
        return true
    }

    /// The next block of the vertical stack, and where all columns of the row go at once, that of the horizontal stack:
    /// what the one passes to the other is then still in the processor's caches. Whether all of both are computed.
    private func computeNextBlock(
        of image: ImageInFlight, _ columns: HorizontalStack, left: UnsafeMutablePointer<Float>
    ) -> Bool {
        let (row, all) = (image.row, 0..<image.width)
        guard image.width <= Self.columnsOfScore, let piece = nextVerticalPiece(of: image),
            piece.stage == 0 || image.isBetweenBlocks
        else {
            computeVertical(image)
            return false
        }
        if piece.stage == 0 {
            prefill.compute(image)
            columns.beginColumns(all, row: row, cache: image.cache, label: image.label)
        }
        vertical.compute(piece, of: image.cache, label: image.label, linkTo: .rows(columns.linked))
        image.wavefront.complete(piece)
        if let block = engine.shape.block(ofStage: piece.stage) {
            columns.computeBlock(block, all, vertical: columns.linked, left: left)
        }
        image.isBetweenBlocks = image.wavefront.ready < image.pixel + image.width
        return !image.isBetweenBlocks
    }

    /// Scores columns of a row, whose features are computed.
    private func score(_ piece: Range<Int>, of image: ImageInFlight, _ columns: HorizontalStack) {
        for pass in 0..<engine.shape.features.count {
            columns.computeLogits(pass, count: piece.count)
            for c in engine.shape.drawn(in: pass) {
                for (slot, column) in piece.enumerated() {
                    let logits = columns.logits(slot: slot, channel: c)
                    inspectLogits?(image.tag, image.row, column, c, logits)
                    image.score(channel: c, column: column, logits: logits, with: categorical)
                }
            }
        }
    }

    /// Gives the checkpoint after an image's given rows to those that have waited for it.
    private func share(_ image: ImageInFlight) {
        let rows = image.prefix.rows
        for other in prefilling where other !== image && other.prefix.isSame(as: image.prefix) {
            other.cache.copyCheckpoint(of: image.cache, rows: rows)
            resume(other, belowRows: rows)
            prefixCache?.didShare(rows: rows)
        }
    }

    // MARK: - Leaving

    private func removePrefilling(place: Int, isDone: Bool = true) {
        helperThread.takeBack()
        if isDone { rowCaches.put(prefilling[place].cache) }
        prefilling.remove(at: place)
    }

    /// The last image takes the free slot.
    private func remove(slot: Int) {
        helperThread.takeBack()
        rowCaches.put(images[slot].cache)
        let last = images.count - 1
        if slot != last {
            horizontal.move(from: last, to: slot)
            images[slot] = images[last]
        }
        images.removeLast()
        // The image that took the slot may not be prepared.
        if let step = begun { begun = (step.prefillsLeft, min(step.prepared, slot)) }
    }
}

// MARK: - What a session reports

/// A row of an image in flight that is complete: drawn, given or scored. Valid during the call that hands it out.
package struct CompletedRow {
    /// The row's number in its image.
    package let row: Int
    /// Whether it is a given row that was known already, so that nothing of it was computed.
    package let isKnown: Bool
    /// How many values it has, C·W.
    package var count: Int { image.rowCount }
    /// The values, (C, W); a copy.
    package var values: [UInt16] { image.values(row: row) }

    let image: ImageInFlight
}

/// What a session computes at the moment.
package enum SamplingPhase: Int, Sendable, CaseIterable {
    /// The vertical stack: a row of every block.
    case vertical
    /// `in_conv` and the horizontal stack, and whatever belongs to no other phase.
    case horizontal
    /// The two output layers.
    case output
    /// Drawing the values, and storing them.
    case draw
}
