// What a request carries from the connection through the middleware to its route.

import Hummingbird
import Logging
import NIOCore

struct ServerContext: RequestContext {
    /// What a context is made of, when a request's head has come.
    struct Source: RequestContextSource {
        let logger: Logger
        let watch: ConnectionWatch
        let memory: RequestMemory
        let pass: QueuePass
        let served: ServedModel
        let record: RequestRecord
    }

    var coreContext: CoreRequestContextStorage
    /// Of the connection: work for a client that left is given up.
    let watch: ConnectionWatch
    /// What the request holds until its answer is written.
    let memory: RequestMemory
    /// Given back as the request's job comes to the queue.
    let pass: QueuePass
    /// What the request is answered from, whatever is loaded meanwhile.
    let served: ServedModel
    /// What will be logged of the request.
    let record: RequestRecord

    init(source: Source) {
        self.coreContext = .init(source: source)
        (self.watch, self.memory, self.pass) = (source.watch, source.memory, source.pass)
        (self.served, self.record) = (source.served, source.record)
        logger[metadataKey: "request"] = "\(source.record.requestID)"
    }
}
