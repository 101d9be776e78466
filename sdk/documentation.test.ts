import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, test } from "vitest"

const entry = fileURLToPath(new URL("index.ts", import.meta.url))

/** The functions that the SDK exports, and the methods of the objects that it gives out, by name, with their overloads. */
function publicFunctions(): Map<string, ts.Node[]> {
  const config = ts.getParsedCommandLineOfConfigFile(
    fileURLToPath(new URL("tsconfig.json", import.meta.url)),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => expect.fail("tsconfig.json cannot be read") },
  )
  const program = ts.createProgram([entry], config?.options ?? {})
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(entry)
  const index = source && checker.getSymbolAtLocation(source)
  const found = new Map<string, ts.Node[]>()
  for (const symbol of index ? checker.getExportsOfModule(index) : []) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
    for (const declaration of target.declarations ?? []) {
      if (ts.isFunctionDeclaration(declaration)) add(found, target.name, declaration)
      if (!ts.isClassDeclaration(declaration)) continue
      for (const member of declaration.members) {
        if (isPublicMethod(member)) add(found, `${target.name}.${member.name.getText()}`, member)
      }
    }
  }
  return found
}

function add(found: Map<string, ts.Node[]>, name: string, declaration: ts.Node): void {
  found.set(name, [...(found.get(name) ?? []), declaration])
}

/** Static methods are how the SDK itself makes its objects. */
function isPublicMethod(member: ts.ClassElement): member is ts.MethodDeclaration {
  if (!ts.isMethodDeclaration(member) || ts.isPrivateIdentifier(member.name)) return false
  return !member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword)
}

const hasExample = (declaration: ts.Node) =>
  ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === "example")

test("each function and method that the SDK exports is documented, with an example", () => {
  const functions = [...publicFunctions()]
  expect(functions.map(([name]) => name)).toEqual(
    expect.arrayContaining(["unwrap", "Client.create", "Sandbox.run", "Sandbox.[Symbol.asyncDispose]"]),
  )
  const without = functions.filter(([, declarations]) => !declarations.some(hasExample))
  expect(without.map(([name]) => name)).toEqual([])
})
