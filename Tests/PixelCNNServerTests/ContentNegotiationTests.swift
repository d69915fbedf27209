// The rules of `Accept`.

import Testing

@testable import PixelCNNServer

@Suite struct ContentNegotiationTests {
    private let offers = ["image/png", "application/x-npy"]

    @Test(arguments: [
        ("", "image/png"), ("*/*", "image/png"), ("IMAGE/PNG", "image/png"), ("application/x-npy", "application/x-npy"),
        ("image/png, application/x-npy", "image/png"), ("image/png;q=0.5,application/x-npy", "application/x-npy"),
        ("image/*;q=0.2, */*;q=0.1", "image/png"), ("*/*, image/png;q=0", "application/x-npy"),
        ("image/*;q=0, image/png", "image/png"), ("*/* ; q=0.5 , application/x-npy ; q=0.6", "application/x-npy"),
        ("nonsense", "image/png"), ("nonsense, application/x-npy", "application/x-npy"),
        ("image/png;q=x, application/x-npy;q=0.1", "application/x-npy"), ("text/html, */*;q=0.1", "image/png"),
        (",,", "image/png"),
    ])
    func choosesTheBestOffer(accept: String, expected: String) {
        #expect(AcceptHeader(accept).choose(from: self.offers) == expected)
    }

    @Test(arguments: ["text/html", "*/*;q=0", "image/png;q=0", "image/*;q=0", "text/event-stream, text/*"])
    func findsNothingAcceptable(accept: String) {
        #expect(AcceptHeader(accept).choose(from: offers) == nil)
    }
}
