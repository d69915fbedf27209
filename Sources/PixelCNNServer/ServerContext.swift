// What a request carries from the connection through the middleware to its route.

import Hummingbird
import Logging
import NIOCore

struct ServerContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The connection; the routes watch it, so that work for a client that left is given up.
    let channel: any Channel
    /// The request's identifier, set by ``AnswerHeadersMiddleware``.
    var requestID = ""

    init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.channel = source.channel
    }
}
