// The protocol's fixed names, and the one way to write and read its JSON, in one place for daemon and client.

import FoundationEssentials

/// Names of HTTP header fields that are ours, or that HTTP libraries do not name.
package enum HeaderName {
    /// SHA-256 of the model file; on every response.
    package static let model = "PixelCNN-Model"
    /// The arithmetic that values depend on besides the model, `f32` or `i16`; on every response.
    package static let precision = "PixelCNN-Precision"
    /// The seed of the samples; on every response that carries some.
    package static let seed = "PixelCNN-Seed"
    /// The request's identifier: the client's own if it sent a sane one; on every response.
    package static let requestID = "X-Request-Id"
}

/// Media types of the protocol.
package enum MediaTypeName {
    /// A PNG picture.
    package static let png = "image/png"
    /// A NumPy array.
    package static let npy = "application/x-npy"
    /// NumPy's container of several arrays.
    package static let npz = "application/x-npz"
    /// Bytes of a kind that their sender does not know.
    package static let bytes = "application/octet-stream"
    /// Server-sent events.
    package static let eventStream = "text/event-stream"
    /// JSON.
    package static let json = "application/json"
    /// An RFC 9457 problem.
    package static let problem = "application/problem+json"
    /// Plain text.
    package static let text = "text/plain"
    /// YAML (RFC 9512).
    package static let yaml = "application/yaml"
    /// The page.
    package static let html = "text/html"
    /// The page's styles.
    package static let css = "text/css"
    /// The page's scripts.
    package static let javaScript = "text/javascript"
}

/// Paths of the protocol.
package enum Endpoint {
    /// Draws images.
    package static let samples = "/v1/samples"
    /// Scores images.
    package static let score = "/v1/score"
    /// Describes the model.
    package static let model = "/v1/model"
    /// Describes the daemon's state.
    package static let status = "/v1/status"
    /// 200 while alive.
    package static let health = "/healthz"
    /// 200 while requests are taken.
    package static let readiness = "/readyz"
    /// Metrics in the Prometheus text format.
    package static let metrics = "/metrics"
    /// The OpenAPI description of all this.
    package static let description = "/openapi.yaml"
    /// The page, for people with a browser.
    package static let page = "/"
    /// The files that the page loads are below this.
    package static let pageFiles = "/page/"
}

/// The version of all programs.
package enum Version {
    /// Semantic version.
    package static let current = "0.1.0"
}

// MARK: - JSON

/// JSON as the protocol writes it: sorted keys and plain slashes, so that equal responses are equal bytes.
package enum JSONCoding {
    /// Encodes a response, on one line, with sorted keys and a final newline.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    /// Decodes a response.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
