// swift-tools-version: 6.2
import PackageDescription

// A target is a layer; dependencies point one way (see README, "Layout"). The daemon never links OpenBLAS, the server
// never sees a tensor, the client knows only the protocol and the image formats.

let settings: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "pixelcnnd",
    products: [
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // Without its traits Hummingbird leaves out swift-configuration and full Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // C: the kernels, and what Debian's libraries need to be called from Swift.
        .target(name: "CPixelKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),

        // Leaves: depend on no layer of ours.
        .target(name: "AtomicFiles", swiftSettings: settings),
        .target(name: "ImageFormats", dependencies: ["CPNG"], swiftSettings: settings),

        // The network, from file to service.

        // The programs.

        // Tests: one target a layer.
        .testTarget(name: "AtomicFilesTests", dependencies: ["AtomicFiles"], swiftSettings: settings),
        .testTarget(
            name: "ImageFormatsTests", dependencies: ["ImageFormats"], exclude: ["Fixtures"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
