using System.Globalization;
using AlignerOnnx.RequestFuzz;

// RequestFuzz [INPUTS] [SEED]: sends changed requests through the whole server, in this process and without a network.
long inputs = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 2_000_000;
int seed = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : Environment.TickCount;
using Server server = await Server.StartAsync();
return await new Fuzzing(server, seed, Path.Combine(Directory.GetCurrentDirectory(), "artifacts", "fuzz-requests")).RunAsync(inputs);
