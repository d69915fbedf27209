// What a request carries from the connection through the middleware to its route.

import Hummingbird
import Logging
import NIOCore

struct ServerContext: RequestContext {
    struct Source: RequestContextSource {
        let logger: Logger
        let watch: ConnectionWatch
        let memory: RequestMemory
        let pass: QueuePass
    }

    var coreContext: CoreRequestContextStorage
    /// Of the connection: work for a client that left is given up.
    let watch: ConnectionWatch
    /// What the request holds until its answer is written.
    let memory: RequestMemory
    /// Given back as the request's job comes to the queue.
    let pass: QueuePass
    /// The request's identifier, set by ``AnswerHeadersMiddleware``.
    var requestID = ""

    init(source: Source) {
        self.coreContext = .init(source: source)
        (self.watch, self.memory, self.pass) = (source.watch, source.memory, source.pass)
    }
}
