// NumPy's container of several arrays, .npz, as numpy.savez writes it: a ZIP archive of .npy files, stored. Read where
// other people's files are (ImageImport); written here. One copy of the arrays.

import Support

/// `.npz` files.
package enum NPZ {
    /// Names of the arrays in the protocol's files.
    package enum Name {
        /// Values, (n, C, H, W), of one image (C, H, W).
        package static let samples = "samples"
        /// Log-probabilities under the model, in nats, float32, as the values.
        package static let logProb = "log_prob"
        /// The same under the distribution that was drawn from; where that is not the model's.
        package static let logQ = "log_q"
    }

    /// The name of an array in the archive.
    package static func entry(_ name: String) -> String { "\(name).npy" }

    /// An archive of whole `.npy` files.
    package static func encode(_ arrays: [(name: String, npy: [UInt8])]) -> [UInt8] {
        var archive = ZIPWriter()
        var file: [UInt8] = []
        file.reserveCapacity(arrays.reduce(0) { $0 + $1.npy.count } + 1024)
        for (name, npy) in arrays {
            file += archive.header(entry(name), count: npy.count, checksum: ZIPWriter.checksum(0, npy))
            file += npy
        }
        return file + archive.end()
    }
}

extension SampledImages {
    /// An NPZ file of the values and their log-probabilities.
    ///
    /// - Parameters:
    ///   - logProb: under the model, as many as there are values.
    ///   - logQ: under the distribution that was drawn from; empty where that is the model's.
    ///   - isStack: whether the images are a stack, (count, C, H, W), or one, (C, H, W).
    package func npz(logProb: [Float], logQ: [Float], isStack: Bool = true) -> [UInt8] {
        let extents = (isStack ? [count] : []) + [shape.channels, shape.height, shape.width]
        var arrays: [(name: String, npy: [UInt8])] = [
            (NPZ.Name.samples, isStack ? npy() : Self.npy(image: values, shape: shape)),
            (NPZ.Name.logProb, NPYArray.encode(logProb, shape: extents)),
        ]
        if !logQ.isEmpty { arrays.append((NPZ.Name.logQ, NPYArray.encode(logQ, shape: extents))) }
        return NPZ.encode(arrays)
    }
}
