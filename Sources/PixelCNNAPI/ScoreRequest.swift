// What `POST /v1/score` takes besides images, and what it responds with as JSON. The daemon computes that from
// log-probabilities, and so does the client when it requested those: one definition of bits per dimension,
// −mean(log p) / ln 2, summed in Double in the order of storage.

import Foundation

/// The query of a request for scores; the images are its body.
package struct ScoreRequest: Sendable, Equatable {
    /// The query's one item.
    package static let labelItem = "label"

    /// The class of the images, where the model is conditional.
    package var label: ClassLabel?

    /// The request of a class that the model has.
    package init(label number: Int?) { label = number.map(ClassLabel.number) }

    /// Reads the item of a query, which has been decoded.
    package init(labelItem: String?) { label = labelItem.map { ClassLabel($0) } }

    /// Path and query, for a class by number.
    package var path: String {
        guard case .number(let number) = label else { return Endpoint.score }
        return "\(Endpoint.score)?\(Self.labelItem)=\(number)"
    }
}

/// How well the model predicts each image.
package struct ScoreResponse: Sendable, Equatable, Codable {
    /// Bits per dimension of each image, in the order of the request.
    package var bitsPerDimension: [Double]
    /// Their mean.
    package var meanBitsPerDimension: Double

    /// Sums up log-probabilities.
    ///
    /// - Parameters:
    ///   - logProbabilities: nats, `count` images of equally many values each.
    ///   - count: number of images, at least 1; divides the number of values.
    package init(logProbabilities: [Float], count: Int) {
        precondition(count > 0 && logProbabilities.count.isMultiple(of: count), "values of whole images")
        let size = logProbabilities.count / count
        self.init(
            bitsPerDimension: (0..<count).map { image in
                let sum = logProbabilities[image * size..<(image + 1) * size].reduce(0.0) { $0 + Double($1) }
                return size == 0 ? 0 : -sum / Double(size) / log(2.0)
            })
    }

    /// The scores of images, at least one, with their mean.
    package init(bitsPerDimension: [Double]) {
        self.bitsPerDimension = bitsPerDimension
        meanBitsPerDimension = bitsPerDimension.reduce(0, +) / Double(bitsPerDimension.count)
    }

    enum CodingKeys: String, CodingKey {
        case bitsPerDimension = "bits_per_dim"
        case meanBitsPerDimension = "mean_bits_per_dim"
    }
}
