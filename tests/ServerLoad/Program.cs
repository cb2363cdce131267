using System.CommandLine;
using AlignerOnnx.ServerLoad;
using AlignerOnnx.TestMaterial;

// ServerLoad load|soak: drives a server of its own, started as the built tool. Prints Markdown for docs/; ends with 1 where an answer was wrong or failed.
Option<string> model = new("--model") { Description = "The base model's folder.", DefaultValueFactory = _ => Material.Pocket("model-fp32") };
Option<int> clients = new("--clients") { Description = "Clients that ask at the same time, without a pause.", DefaultValueFactory = _ => 8 };
Option<double> minutes = new("--minutes") { Description = "How long to ask.", DefaultValueFactory = _ => 10 };
Option<bool> kill = new("--kill") { Description = "Kill the server at half time and start it again on its state." };
Option<int> tokens = new("--tokens") { Description = "The most tokens of an answer.", DefaultValueFactory = _ => 32 };
Option<int> swaps = new("--swaps") { Description = "How often the served version changes.", DefaultValueFactory = _ => 100_000 };
Option<int> seed = new("--seed") { Description = "Seed of every choice.", DefaultValueFactory = _ => Environment.TickCount };

Command load = new("load", "Latency, throughput, errors and memory under load.") { model, clients, minutes, kill, tokens, seed };
load.SetAction(parsed => LoadRun.RunAsync(new LoadOptions(
    parsed.GetValue(model)!, parsed.GetValue(clients), TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(kill), parsed.GetValue(tokens), parsed.GetValue(seed))));
Command soak = new("soak", "Versions are swapped under load; every answer must be wholly of a version that was current.") { model, clients, swaps, tokens, seed };
soak.SetAction(parsed => SoakRun.RunAsync(new SoakOptions(
    parsed.GetValue(model)!, parsed.GetValue(clients), parsed.GetValue(swaps), parsed.GetValue(tokens), parsed.GetValue(seed))));
return await new RootCommand("Load and soak of the server.") { load, soak }.Parse(args).InvokeAsync();
