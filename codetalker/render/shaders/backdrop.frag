#version 330 core
// A glow behind the head that fades towards the edges. Half a step of noise hides the bands of a slow gradient.

uniform float size; // of a tile, pixels

out vec4 frag_color;

const vec3 CENTRE = vec3(0.235, 0.275, 0.310); // linear
const vec3 EDGE = vec3(0.036, 0.045, 0.058);

void main()
{
    vec2 place = 2.0 * mod(gl_FragCoord.xy, size) / size - 1.0; // rows are read top first
    vec2 scaled = vec2(place.x / 0.95, -place.y - 0.10);
    vec3 shown = pow(mix(EDGE, CENTRE, exp(-dot(scaled, scaled))), vec3(1.0 / 2.4)) * 1.055 - 0.055;
    float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715)))) - 0.5;
    frag_color = vec4(shown + noise / 255.0, 1.0);
}
