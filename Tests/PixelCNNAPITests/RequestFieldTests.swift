// The table of a request's fields against what documents say of them: docs/openapi.yaml and docs/API.md.

import Foundation
import Testing
import Yams

@testable import PixelCNNAPI

@Suite struct RequestFieldTests {
    private struct Documented {
        let name: String
        let defaultJSON: String?
        let bounds: (minimum: Double?, maximum: Double?)

        init<Request>(_ field: RequestField<Request>) {
            name = field.name
            defaultJSON = field.defaultJSON
            bounds = field.bounds
        }
    }

    private static func document(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs")
        return try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// The smallest and the largest value that a schema allows; of several schemas, of any.
    private static func bounds(of schema: Node) -> (minimum: Double?, maximum: Double?) {
        if let either = schema["anyOf"]?.sequence?.map({ bounds(of: $0) }) {
            return (either.compactMap(\.minimum).min(), either.compactMap(\.maximum).max())
        }
        func number(_ keys: String...) -> Double? {
            keys.lazy.compactMap { schema[$0].flatMap { Double($0.scalar?.string ?? "") } }.first
        }
        return (number("minimum", "exclusiveMinimum", "const"), number("maximum", "const"))
    }

    /// Whether two texts are one JSON scalar: 1 and 1.0 are.
    private static func isSame(_ one: String?, _ other: String?) -> Bool {
        if let one = one.flatMap(Double.init), let other = other.flatMap(Double.init) { return one == other }
        return one == other
    }

    private func compare(_ schema: Node?, _ fields: [Documented]) throws {
        let properties = try #require(schema?["properties"]?.mapping)
        #expect(properties.keys.map(\.scalar?.string) == fields.map(\.name))
        for (field, schema) in zip(fields, properties.values) {
            let stated = schema["default"]?.scalar?.string
            #expect(Self.isSame(stated, field.defaultJSON), "\(field.name): \(stated ?? "no default")")
            let bounds = Self.bounds(of: schema)
            if let minimum = field.bounds.minimum { #expect(bounds.minimum == minimum, "\(field.name)") }
            if let maximum = field.bounds.maximum { #expect(bounds.maximum == maximum, "\(field.name)") }
        }
    }

    @Test func theDescriptionHasTheFieldsOfTheTable() throws {
        let description = try #require(try Yams.compose(yaml: Self.document("openapi.yaml")))
        let schema = description["components"]?["schemas"]?["SampleRequest"]
        try compare(schema, SampleRequest.fields.map(Documented.init))
        try compare(schema?["properties"]?["given"], GivenImage.Members.fields.map(Documented.init))
    }

    @Test func theDescriptionHasTheQueryOfScores() throws {
        let description = try #require(try Yams.compose(yaml: Self.document("openapi.yaml")))
        let parameters = try #require(description["paths"]?[Endpoint.score]?["post"]?["parameters"]?.sequence)
        let items = parameters.filter { $0["in"]?.scalar?.string == "query" }.map { $0["name"]?.scalar?.string }
        #expect(items == [ScoreRequest.labelItem])
    }

    /// Names in code quotes of a Markdown table's first column, with the second column of their row.
    private func rows(below header: String) throws -> [(name: String, second: String)] {
        let lines = try Self.document("API.md").split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasPrefix(header) })
        return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.flatMap { line in
            let cells = line.split(separator: "|").map(String.init)
            return cells[0].matches(of: /`([^`]+)`/).map { (String($0.1), cells[1]) }
        }
    }

    @Test func theTourHasTheFieldsOfTheTable() throws {
        let rows = try rows(below: "| field | default |")
        #expect(rows.map(\.name) == SampleRequest.fields.map(\.name))
        for (field, row) in zip(SampleRequest.fields, rows) {
            guard let value = field.defaultJSON else { continue }
            let stated = row.second.split { ", ".contains($0) }
            #expect(stated.contains { Self.isSame(String($0), value) }, "\(field.name): \(row.second)")
        }
        #expect(try self.rows(below: "| field of `given` |").map(\.name) == GivenImage.Members.fields.map(\.name))
    }
}
