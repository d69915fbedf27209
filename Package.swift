// swift-tools-version: 6.2
import PackageDescription

// A target is a layer; dependencies point one way (see README, "Layout"). The daemon never links OpenBLAS, the server
// never sees a tensor, the client knows only the protocol and the image formats.

let settings: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")

let package = Package(
    name: "pixelcnnd",
    products: [
        .executable(name: "pixelcnn-train", targets: ["pixelcnn-train"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // Without its traits Hummingbird leaves out swift-configuration and full Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // C: the kernels, and what Debian's libraries need to be called from Swift.
        .target(name: "CPixelKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CMessageDigest", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),

        // Leaves: depend on no layer of ours.
        .target(name: "AtomicFiles", swiftSettings: settings),
        .target(name: "ImageFormats", dependencies: ["CPNG"], swiftSettings: settings),

        // The network, from file to service.
        .target(name: "PixelCNNModel", dependencies: ["AtomicFiles", "CMessageDigest"], swiftSettings: settings),
        .target(name: "PixelCNNEngine", dependencies: ["PixelCNNModel", "CPixelKernels"], swiftSettings: settings),
        .target(name: "PixelCNNReference", dependencies: ["PixelCNNModel", "COpenBLAS"], swiftSettings: settings),
        .target(
            name: "PixelCNNScheduler", dependencies: ["PixelCNNEngine", collections], swiftSettings: settings),

        // The programs.
        .executableTarget(
            name: "pixelcnn-train", dependencies: ["PixelCNNModel", argumentParser], swiftSettings: settings),

        // Tests: one target a layer.
        .target(
            name: "TestSupport", dependencies: ["ImageFormats", "PixelCNNModel"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(name: "AtomicFilesTests", dependencies: ["AtomicFiles"], swiftSettings: settings),
        .testTarget(
            name: "ImageFormatsTests", dependencies: ["ImageFormats"], exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(
            name: "PixelCNNModelTests", dependencies: ["PixelCNNModel"], exclude: ["Fixtures"],
            swiftSettings: settings),
        .testTarget(name: "TrainCommandTests", dependencies: ["pixelcnn-train"], swiftSettings: settings),
        .testTarget(
            name: "PixelCNNEngineTests",
            dependencies: ["PixelCNNEngine", "PixelCNNReference", "CPixelKernels", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNReferenceTests", dependencies: ["PixelCNNReference", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNSchedulerTests", dependencies: ["PixelCNNScheduler", "TestSupport"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
