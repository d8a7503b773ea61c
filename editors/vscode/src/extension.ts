// Starts `netspec lsp` and connects it to the YAML files of the editor. The server itself leaves alone what is no spec.

import * as fs from "fs";
import * as path from "path";
import * as vscode from "vscode";
import { LanguageClient, LanguageClientOptions, ServerOptions } from "vscode-languageclient/node";

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("netspec.restart", restart),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("netspec")) {
        await restart();
      }
    }),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await client?.stop();
  client = undefined;
}

async function restart(): Promise<void> {
  await deactivate();
  await start();
}

async function start(): Promise<void> {
  const [command, ...args] = serverCommand();
  const server: ServerOptions = { command, args };
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "yaml" },
      { scheme: "untitled", language: "yaml" },
    ],
    synchronize: {
      fileEvents: vscode.workspace.createFileSystemWatcher("**/{pyproject.toml,.netspec.toml,*.yaml,*.yml}"),
    },
  };
  client = new LanguageClient("netspec", "netspec", server, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const reason = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(
      `netspec could not be started by '${command}' (${reason}). Run: pip install 'netspec[lsp]', or set netspec.command.`,
    );
  }
}

/** What is set; else the netspec of the folder's virtual environment, if the folder is trusted; else that on the path. */
function serverCommand(): string[] {
  const settings = vscode.workspace.getConfiguration("netspec");
  const trusted = vscode.workspace.isTrusted;
  const chosen = trusted ? settings.get<string[]>("command", []) : [];
  if (chosen.length > 0) {
    return chosen;
  }
  const plugins = trusted && settings.get<boolean>("plugins", true);
  const options = plugins ? ["lsp"] : ["lsp", "--no-plugins"];
  const places = process.platform === "win32" ? [".venv", "Scripts", "netspec.exe"] : [".venv", "bin", "netspec"];
  for (const folder of trusted ? (vscode.workspace.workspaceFolders ?? []) : []) {
    const program = path.join(folder.uri.fsPath, ...places);
    if (fs.existsSync(program)) {
      return [program, ...options];
    }
  }
  return ["netspec", ...options];
}
