// The protocol's fixed names, in one place for daemon and client.

/// Names of HTTP header fields that are ours, or that HTTP libraries do not name.
public enum HeaderName {
    /// SHA-256 of the model file; on every answer.
    public static let model = "PixelCNN-Model"
    /// The arithmetic that values depend on besides the model, `f32` or `bf16`; on every answer.
    public static let precision = "PixelCNN-Precision"
    /// The seed of the samples; on every answer that carries some.
    public static let seed = "PixelCNN-Seed"
    /// The request's identifier: the client's own if it sent a sane one; on every answer.
    public static let requestID = "X-Request-Id"
}

/// Media types of the protocol.
public enum MediaTypeName {
    /// A PNG picture.
    public static let png = "image/png"
    /// A NumPy array.
    public static let npy = "application/x-npy"
    /// Server-sent events.
    public static let eventStream = "text/event-stream"
    /// JSON.
    public static let json = "application/json"
    /// An RFC 9457 problem.
    public static let problem = "application/problem+json"
    /// Plain text.
    public static let text = "text/plain"
    /// YAML (RFC 9512).
    public static let yaml = "application/yaml"
}

/// Paths of the protocol.
public enum Endpoint {
    /// Draws images.
    public static let samples = "/v1/samples"
    /// Scores images.
    public static let score = "/v1/score"
    /// Describes the model.
    public static let model = "/v1/model"
    /// Describes the daemon's state.
    public static let status = "/v1/status"
    /// 200 while alive.
    public static let health = "/healthz"
    /// 200 while requests are taken.
    public static let readiness = "/readyz"
    /// Metrics in the Prometheus text format.
    public static let metrics = "/metrics"
    /// The OpenAPI description of all this.
    public static let description = "/openapi.yaml"
}

/// The version of all programs.
public enum Version {
    /// Semantic version.
    public static let current = "0.1.0"
}
